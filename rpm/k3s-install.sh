#!/bin/sh
# k3s-install.sh: write the given options down and start the packaged k3s.
#
# usage: [NAME=VALUE...] k3s-install.sh [server|agent] [OPTION...]
#     INSTALL_K3S_SKIP_DOWNLOAD=true k3s-install.sh
#     K3S_URL=https://server.example:6443 K3S_TOKEN=... k3s-install.sh
#     k3s-install.sh server --disable=traefik
#
# The variables and arguments are those of upstream's installer, as openEuler's users know them:
#     INSTALL_K3S_EXEC          command and options, before those given as arguments
#     INSTALL_K3S_SKIP_ENABLE   true: neither enable nor start
#     INSTALL_K3S_SKIP_START    true: enable, do not start
#     INSTALL_K3S_FORCE_RESTART true: restart even if nothing changed
#     K3S_*, CONTAINERD_*, KINE_*, HTTP_PROXY, HTTPS_PROXY, NO_PROXY
# Without a command it is an agent if K3S_URL is set, else a server.
#
# Unlike upstream's, this script downloads nothing and writes no unit: options go to the last part of
# /etc/sysconfig/k3s or k3s-agent, which the next run rewrites, and the unit is the package's own.
set -eu

BEGIN='# Written by k3s-install.sh, whose next run writes it anew: begin'
END='# Written by k3s-install.sh: end'

say() { printf 'k3s-install: %s\n' "$*"; }
fail() {
    say "$*" >&2
    exit 1
}

# Rejects variables of upstream's installer that have no meaning for a package, instead of ignoring them.
reject_unsupported_variables() {
    for name in VERSION COMMIT PR CHANNEL CHANNEL_URL ARTIFACT_URL; do
        eval "value=\${INSTALL_K3S_$name-}"
        [ -z "$value" ] || fail "INSTALL_K3S_$name has no meaning here: nothing is downloaded," \
            "the package is the version (to change it: dnf install k3s-VERSION)"
    done
    case ${INSTALL_K3S_SKIP_DOWNLOAD-true} in
    true | binary | selinux) ;;
    *) fail "INSTALL_K3S_SKIP_DOWNLOAD=$INSTALL_K3S_SKIP_DOWNLOAD: nothing is ever downloaded here" ;;
    esac
    for setting in NAME= TYPE=notify BIN_DIR=/usr/bin SYSTEMD_DIR=/usr/lib/systemd/system; do
        eval "value=\${INSTALL_K3S_${setting%%=*}-}"
        [ -z "$value" ] || [ "$value" = "${setting#*=}" ] ||
            fail "INSTALL_K3S_${setting%%=*}=$value: the packaged units have one place and name; unset it"
    done
}

# Prints one argument a line. xargs honours quotes and backslashes, and expands nothing.
given_arguments() {
    printf '%s\n' "${INSTALL_K3S_EXEC-}" | xargs printf '%s\n' ||
        fail "INSTALL_K3S_EXEC cannot be split into words: $INSTALL_K3S_EXEC"
    for argument in "$@"; do
        case $argument in
        *"$newline"*) fail "an argument contains a newline: use /etc/rancher/k3s/config.yaml" ;;
        esac
        printf '%s\n' "$argument"
    done
}

# Prints server or agent for the first argument.
role() {
    case $1 in
    server | agent) echo "$1" ;;
    '' | -*)
        if [ -z "${K3S_URL-}" ]; then
            echo server
        elif [ -n "${K3S_TOKEN-}${K3S_TOKEN_FILE-}" ]; then
            echo agent
        else
            fail "K3S_URL makes this node an agent, which needs K3S_TOKEN or K3S_TOKEN_FILE too"
        fi
        ;;
    *) fail "the first argument is neither server, agent nor an option: $1" ;;
    esac
}

# Filter: quotes each line so that systemd, splitting $OPTIONS, makes one argument of it; joins them.
as_words() {
    sed -e '/^[][A-Za-z0-9_@%+=:,./{}<>!()*?^~#;&|-]\{1,\}$/b' -e 's/[\\"]/\\&/g' -e 's/.*/"&"/' |
        tr '\n' ' ' | sed 's/ $//'
}

# setting NAME VALUE: a line of an EnvironmentFile, which is also one of sh.
setting() {
    case $2 in
    *"$newline"*) fail "$1 contains a newline, which /etc/sysconfig cannot: use /etc/rancher/k3s/config.yaml" ;;
    esac
    printf '%s="%s"\n' "$1" "$(printf '%s' "$2" | sed 's/[\\"`$]/\\&/g')"
}

# Prints the settings of this run, sorted by name.
settings() {
    [ -z "$options" ] || setting OPTIONS "$options"
    for name in $(env | sed -n -E \
        -e 's/^((K3S|CONTAINERD|KINE)_[A-Za-z0-9_]+)=.*/\1/p' \
        -e 's/^((HTTP|HTTPS|NO)_PROXY|(http|https|no)_proxy)=.*/\1/p' | sort -u); do
        # A line of some other variable's value may look like a variable.
        eval "given=\${$name+yes} value=\${$name-}"
        [ -z "$given" ] || setting "$name" "$value"
    done
}

# write_settings FILE SETTINGS: FILE with our part replaced. Appears by rename, readable by root alone.
write_settings() {
    new=$(mktemp "$1.XXXXXX")
    trap 'rm -f "$new"' EXIT
    [ ! -e "$1" ] || sed "/^$BEGIN\$/,/^$END\$/d" "$1" >"$new"
    [ -z "$2" ] || printf '%s\n' "$BEGIN" "$2" "$END" >>"$new"
    if ! cmp -s "$new" "$1"; then
        say "writing options to $1"
        mv -f "$new" "$1"
        changes=yes
    fi
}

# A unit of upstream's installer in /etc would hide the packaged one.
set_old_unit_aside() {
    old=/etc/systemd/system/$unit
    [ -e "$old" ] && [ ! -L "$old" ] || return 0
    grep -q '/k3s' "$old" || fail "$old hides the packaged unit and is not of k3s's installer: move it first"
    systemctl --quiet disable "$unit"
    mv -f "$old" "$old.saved"
    changes=yes
    say "moved $old, which hid the packaged unit, to $old.saved; options in it are not taken over"
}

# Scripts of upstream's installer come before ours in PATH, and its k3s-uninstall.sh deletes without asking.
set_old_scripts_aside() {
    for script in k3s-killall.sh k3s-uninstall.sh k3s-agent-uninstall.sh; do
        old=/usr/local/bin/$script
        if [ ! -L "$old" ] && grep -qs -e K3S -e /var/lib/rancher/k3s "$old"; then
            mv -f "$old" "$old.saved"
            say "moved $old, of upstream's installer, to $old.saved: the package's scripts are in /usr/bin"
        fi
    done
}

start_unit() {
    if [ ! -d /run/systemd/system ]; then
        say "systemd does not run here: $unit starts at the next boot"
    elif systemctl --quiet is-active "$unit" && [ -z "$changes" ] && [ "${INSTALL_K3S_FORCE_RESTART-}" != true ]; then
        say "no change: $unit keeps running (INSTALL_K3S_FORCE_RESTART=true restarts it)"
    else
        systemctl daemon-reload
        say "starting $unit; this may take some minutes"
        systemctl restart "$unit"
    fi
}

newline='
'
[ "$(id -u)" -eq 0 ] || fail "must be run by root, with the variables kept: sudo -E $0"
command -v systemctl >/dev/null || fail "systemctl not found: without systemd, run k3s server or k3s agent yourself"
reject_unsupported_variables
case ${K3S_URL-} in
'' | https://*) ;;
*) fail "K3S_URL must begin with https://, found: $K3S_URL" ;;
esac

arguments=$(given_arguments "$@")
arguments=$(printf '%s\n' "$arguments" | sed '/^$/d')
role=$(role "${arguments%%"$newline"*}")
options=$(printf '%s\n' "$arguments" | sed -e "1{/^$role\$/d;}" -e '/^$/d' | as_words)
case $role in
server) unit=k3s.service other=k3s-agent.service file=/etc/sysconfig/k3s ;;
agent) unit=k3s-agent.service other=k3s.service file=/etc/sysconfig/k3s-agent ;;
esac
! systemctl --quiet is-enabled "$other" 2>/dev/null ||
    fail "$other is enabled, and a node is either server or agent: systemctl disable --now $other"

settings=$(settings)
changes=
write_settings "$file" "$settings"
[ "${INSTALL_K3S_SKIP_ENABLE-}" != true ] || exit 0
set_old_unit_aside
set_old_scripts_aside
say "enabling $unit"
systemctl --quiet enable "$unit"
[ "${INSTALL_K3S_SKIP_START-}" = true ] || start_unit
