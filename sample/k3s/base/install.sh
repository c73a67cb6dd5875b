#!/bin/sh
# Stands for the installer of k3s: the same variables and files, in the layout of v1.33 to v1.35.
#
#   - INSTALL_K3S_PR
#     Sets the version to no release, as the installer of k3s does.
#
#   - INSTALL_K3S_CHANNEL_URL
#     The URL that a channel is below.
#     Defaults to 'https://update.k3s.io/v1-release/channels'.
set -e
set -o noglob

GITHUB_URL=${GITHUB_URL:-https://github.com/k3s-io/k3s/releases}
DOWNLOADER=

info() { echo '[INFO] ' "$@"; }

fatal() {
    echo '[ERROR] ' "$@" >&2
    exit 1
}

verify_system() {
    if [ -x /sbin/openrc-run ]; then
        INIT=openrc
    elif type systemctl >/dev/null 2>&1; then
        INIT=systemd
    else
        fatal 'Neither systemd nor openrc was found'
    fi
}

# Chooses the command and the places, and remembers the state before.
setup_env() {
    case "$1" in
    -* | '')
        CMD_K3S=server
        if [ -n "${K3S_URL}" ]; then
            [ -n "${K3S_TOKEN}${K3S_TOKEN_FILE}" ] || fatal 'K3S_URL is defined, but K3S_TOKEN is not defined'
            CMD_K3S=agent
        fi
        ;;
    *)
        CMD_K3S=$1
        shift
        ;;
    esac
    case "${K3S_URL}" in
    '' | https://*) ;;
    *) fatal "Only https:// URLs are supported for K3S_URL (have ${K3S_URL})" ;;
    esac
    ARGUMENTS="${CMD_K3S} $*"
    SYSTEM_NAME=k3s
    [ "${CMD_K3S}" = server ] || SYSTEM_NAME=k3s-${CMD_K3S}
    [ -z "${INSTALL_K3S_NAME}" ] || SYSTEM_NAME=k3s-${INSTALL_K3S_NAME}
    SUDO=sudo
    [ "$(id -u)" != 0 ] || SUDO=
    BIN_DIR=${INSTALL_K3S_BIN_DIR:-/usr/local/bin}
    SYSTEMD_DIR=${INSTALL_K3S_SYSTEMD_DIR:-/etc/systemd/system}
    if [ "${INIT}" = systemd ]; then
        FILE_K3S_SERVICE=${SYSTEMD_DIR}/${SYSTEM_NAME}.service
        FILE_K3S_ENV=${FILE_K3S_SERVICE}.env
    else
        $SUDO mkdir -p /etc/rancher/k3s
        FILE_K3S_SERVICE=/etc/init.d/${SYSTEM_NAME}
        FILE_K3S_ENV=/etc/rancher/k3s/${SYSTEM_NAME}.env
    fi
    PRE_INSTALL_HASHES=$(hashes)
    INSTALL_K3S_CHANNEL_URL=${INSTALL_K3S_CHANNEL_URL:-'https://update.k3s.io/v1-release/channels'}
    INSTALL_K3S_CHANNEL=${INSTALL_K3S_CHANNEL:-'stable'}
}

hashes() { $SUDO sha256sum "${BIN_DIR}/k3s" "${FILE_K3S_SERVICE}" "${FILE_K3S_ENV}" 2>&1 || true; }

setup_verify_arch() {
    ARCH=${ARCH:-$(uname -m)}
    case $ARCH in
        amd64|x86_64)
            ARCH=amd64
            SUFFIX=
            ;;
        aarch64)
            ARCH=arm64
            SUFFIX=-${ARCH}
            ;;
        *)
            fatal "Unsupported architecture $ARCH"
    esac
}

setup_tmp() {
    TMP_DIR=$(mktemp -d -t k3s-install.XXXXXXXXXX)
    TMP_HASH=${TMP_DIR}/k3s.hash
    TMP_BIN=${TMP_DIR}/k3s.bin
    trap 'rm -rf "${TMP_DIR}"' EXIT
    trap 'exit 1' INT
}

# --- use desired k3s version if defined or find version from channel ---
get_release_version() {
    if [ -n "${INSTALL_K3S_PR}" ]; then
        VERSION_K3S="PR ${INSTALL_K3S_PR}"
    elif [ -n "${INSTALL_K3S_COMMIT}" ]; then
        VERSION_K3S="commit ${INSTALL_K3S_COMMIT}"
    elif [ -n "${INSTALL_K3S_VERSION}" ]; then
        VERSION_K3S=${INSTALL_K3S_VERSION}
    else
        info "Finding release for channel ${INSTALL_K3S_CHANNEL}"
        version_url="${INSTALL_K3S_CHANNEL_URL}/${INSTALL_K3S_CHANNEL}"
        case $DOWNLOADER in
        curl) VERSION_K3S=$(curl -w '%{url_effective}' -L -s -S "${version_url}" -o /dev/null | sed -e 's|.*/||') ;;
        wget) VERSION_K3S=$(wget -SqO /dev/null "${version_url}" 2>&1 | grep -i Location | sed -e 's|.*/||') ;;
        esac
    fi
    info "Using ${VERSION_K3S} as release"
}

# download FILE URL
download() {
    case $DOWNLOADER in
    curl) curl -o "$1" -sfL "$2" || fatal 'Download failed' ;;
    wget) wget -qO "$1" "$2" || fatal 'Download failed' ;;
    esac
}

sha256() { sha256sum "$1" | cut -d ' ' -f 1; }

download_and_verify() {
    if [ "${INSTALL_K3S_SKIP_DOWNLOAD}" = true ] || [ "${INSTALL_K3S_SKIP_DOWNLOAD}" = binary ]; then
        info 'Skipping k3s download and verify'
        [ -x "${BIN_DIR}/k3s" ] || fatal "Executable k3s binary not found at ${BIN_DIR}/k3s"
        return
    fi
    setup_verify_arch
    for DOWNLOADER in curl wget none; do
        ! type "${DOWNLOADER}" >/dev/null 2>&1 || break
    done
    [ "${DOWNLOADER}" != none ] || fatal 'Can not find curl or wget for downloading files'
    setup_tmp
    get_release_version
    HASH_URL=${GITHUB_URL}/download/${VERSION_K3S}/sha256sum-${ARCH}.txt
    info "Downloading hash ${HASH_URL}"
    download "${TMP_HASH}" "${HASH_URL}"
    HASH_EXPECTED=$(grep " k3s${SUFFIX}$" "${TMP_HASH}" | cut -d ' ' -f 1)
    if [ -x "${BIN_DIR}/k3s" ] && [ "${HASH_EXPECTED}" = "$(sha256 "${BIN_DIR}/k3s")" ]; then
        info 'Skipping binary downloaded, installed k3s matches hash'
        return
    fi
    BIN_URL=${GITHUB_URL}/download/${VERSION_K3S}/k3s${SUFFIX}
    info "Downloading binary ${BIN_URL}"
    download "${TMP_BIN}" "${BIN_URL}"
    HASH_BIN=$(sha256 "${TMP_BIN}")
    if [ "${HASH_EXPECTED}" != "${HASH_BIN}" ]; then
        fatal "Download sha256 does not match ${HASH_EXPECTED}, got ${HASH_BIN}"
    fi
    chmod 755 "${TMP_BIN}"
    info "Installing k3s to ${BIN_DIR}/k3s"
    $SUDO chown root:root "${TMP_BIN}"
    $SUDO mv -f "${TMP_BIN}" "${BIN_DIR}/k3s"
}

create_symlinks() {
    [ "${INSTALL_K3S_SYMLINK}" != skip ] || return 0
    for cmd in kubectl crictl ctr; do
        command -v $cmd >/dev/null 2>&1 || $SUDO ln -s k3s "${BIN_DIR}/$cmd"
    done
}

# script NAME: writes its input as a script beside the binary.
script() {
    $SUDO tee "${BIN_DIR}/$1" >/dev/null
    $SUDO chmod 755 "${BIN_DIR}/$1"
}

create_scripts() {
    script k3s-killall.sh <<EOF
#!/bin/sh
set -x
for service in ${SYSTEMD_DIR}/k3s*.service; do
    [ -s \$service ] && systemctl stop \$(basename \$service)
done
for service in /etc/init.d/k3s*; do
    [ -x \$service ] && \$service stop
done
true
EOF
    script "${SYSTEM_NAME}-uninstall.sh" <<EOF
#!/bin/sh
set -x
${BIN_DIR}/k3s-killall.sh
if command -v systemctl; then
    systemctl disable ${SYSTEM_NAME}
    systemctl daemon-reload
fi
if command -v rc-update; then
    rc-update delete ${SYSTEM_NAME} default
fi
rm -f ${FILE_K3S_SERVICE} ${FILE_K3S_ENV} ${BIN_DIR}/${SYSTEM_NAME}-uninstall.sh
if ls ${SYSTEMD_DIR}/k3s*.service || ls /etc/init.d/k3s*; then
    exit
fi
for cmd in kubectl crictl ctr; do
    if [ -L ${BIN_DIR}/\$cmd ]; then rm -f ${BIN_DIR}/\$cmd; fi
done
rm -rf /etc/rancher/k3s /var/lib/rancher/k3s
rm -f ${BIN_DIR}/k3s ${BIN_DIR}/k3s-killall.sh
EOF
}

create_env_file() {
    $SUDO touch "${FILE_K3S_ENV}"
    $SUDO chmod 0600 "${FILE_K3S_ENV}"
    sh -c export | sed -n 's/^export \(K3S_.*\)/\1/p' | $SUDO tee "${FILE_K3S_ENV}" >/dev/null
}

create_service_file() {
    info "${INIT}: Creating service file ${FILE_K3S_SERVICE}"
    if [ "${INIT}" = systemd ]; then
        $SUDO tee "${FILE_K3S_SERVICE}" >/dev/null <<EOF
[Unit]
Description=The sample, which is not k3s

[Install]
WantedBy=multi-user.target

[Service]
Type=${INSTALL_K3S_TYPE:-notify}
EnvironmentFile=-${FILE_K3S_ENV}
ExecStart=${BIN_DIR}/k3s ${ARGUMENTS}
EOF
    else
        $SUDO tee "${FILE_K3S_SERVICE}" >/dev/null <<EOF
#!/sbin/openrc-run
name=${SYSTEM_NAME}
command="${BIN_DIR}/k3s"
command_args="${ARGUMENTS}"
EOF
        $SUDO chmod 0755 "${FILE_K3S_SERVICE}"
    fi
}

enable_and_start() {
    [ "${INSTALL_K3S_SKIP_ENABLE}" != true ] || return 0
    if [ "${INIT}" = systemd ]; then
        $SUDO systemctl enable "${FILE_K3S_SERVICE}"
        $SUDO systemctl daemon-reload
    else
        $SUDO rc-update add "${SYSTEM_NAME}" default
    fi
    [ "${INSTALL_K3S_SKIP_START}" != true ] || return 0
    if [ "${PRE_INSTALL_HASHES}" = "$(hashes)" ] && [ "${INSTALL_K3S_FORCE_RESTART}" != true ]; then
        info 'No change detected so skipping service start'
        return
    fi
    info "${INIT}: Starting ${SYSTEM_NAME}"
    if [ "${INIT}" = systemd ]; then
        $SUDO systemctl restart "${SYSTEM_NAME}"
    else
        $SUDO "${FILE_K3S_SERVICE}" restart
    fi
}

eval set -- "${INSTALL_K3S_EXEC}" '"$@"'
verify_system
setup_env "$@"
download_and_verify
create_symlinks
create_scripts
create_env_file
create_service_file
enable_and_start
