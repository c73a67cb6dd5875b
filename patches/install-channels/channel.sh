# --- find version of channel among our releases, where the downloads are ---
get_channel_version() {
    releases_url=${INSTALL_K3S_ARTIFACT_URL%/download}
    case ${INSTALL_K3S_CHANNEL} in
        stable|latest)
            found_at=${releases_url}/latest
            info "Finding release for channel ${INSTALL_K3S_CHANNEL} at ${found_at}"
            # GitHub redirects this to the page of the newest release, which is no pre-release.
            case $DOWNLOADER in
                curl)
                    VERSION_K3S=$(curl -sSfL -o /dev/null -w '%{url_effective}' ${found_at} || true)
                    ;;
                wget)
                    VERSION_K3S=$(wget -SqO /dev/null ${found_at} 2>&1 | sed -n 's/.*[Ll]ocation: *//p')
                    ;;
            esac
            ;;
        v[0-9]*)
            found_at=$(printf '%s' "${releases_url}?per_page=100" | sed 's|^https://github.com/|https://api.github.com/repos/|')
            info "Finding release for channel ${INSTALL_K3S_CHANNEL} at ${found_at}"
            download ${TMP_HASH} ${found_at}
            VERSION_K3S=$(grep -o "\"tag_name\": *\"${INSTALL_K3S_CHANNEL}\.[0-9]*+[^\"]*" ${TMP_HASH} | sed 's/.*"//' | sort -V | tail -n 1)
            ;;
        *)
            fatal "INSTALL_K3S_CHANNEL=${INSTALL_K3S_CHANNEL} is not one of our channels: stable, latest, or a line such as v1.35"
            ;;
    esac
    VERSION_K3S=$(printf '%s' "${VERSION_K3S}" | sed -e 's|.*/||' -e 's/%2B/+/')
    case ${VERSION_K3S} in
        v[0-9]*)
            ;;
        *)
            fatal "There is no release of channel ${INSTALL_K3S_CHANNEL} at ${found_at}; set INSTALL_K3S_VERSION to a version, or INSTALL_K3S_ARTIFACT_URL to a mirror"
            ;;
    esac
}

