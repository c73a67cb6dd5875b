#!/bin/sh
# k3s-start-check.sh: refuse a start of k3s that would harm its data or cannot succeed.
#
# usage: k3s-start-check.sh k3s|k3s-agent [VERSION]
#        k3s-start-check.sh --started
#
# k3s-start-check@.service runs it before each start of a unit, also after a crash and at boot: if it fails, systemd does
# not start k3s, nor try again. The package's transaction runs it with the VERSION just installed, to warn.
# After a start of the server, --started records the version. Without a record there is nothing to compare.
set -u

RECORD=/var/lib/rancher/k3s/rpm-version
CONFIG=${K3S_CONFIG_FILE:-/etc/rancher/k3s/config.yaml}

refuse() {
    printf 'k3s: not started: %s\n' "$*" >&2
    exit 1
}

installed_version() { /usr/bin/k3s --version 2>/dev/null | sed -n '1s/^k3s version \([^ ]*\).*/\1/p'; }

# Filter: the minor of a version such as v1.35.1+k3s1.
minor() { sed -nE '1s/^v[0-9]+\.([0-9]+)\..*/\1/p'; }

# Kubernetes supports data of the minor before, and no other.
check_version() {
    last=$(cat "$RECORD" 2>/dev/null)
    before=$(echo "$last" | minor) after=$(echo "$1" | minor)
    [ -n "$before" ] && [ -n "$after" ] || return 0
    anyway="To start it all the same, at the risk of the data: rm $RECORD"
    if [ "$after" -gt $((before + 1)) ]; then
        refuse "$1 is installed and $last ran last, but no minor may be skipped. Install v1.$((before + 1)) first:" \
            "dnf install 'k3s-1.$((before + 1)).*'. $anyway"
    elif [ "$after" -lt "$before" ]; then
        refuse "$1 is installed and $last ran last, whose data it cannot read. Restore a backup made before the upgrade," \
            "or upgrade again; see /usr/share/doc/k3s/UPGRADE.md. $anyway"
    fi
}

# The address of a server may be in a variable, an option, or a config file; what systemctl edit adds to the unit is not
# known here.
check_server() {
    [ -z "${K3S_URL-}" ] || return 0
    # With one dash or two, in quotes or not: what is not sure passes.
    case ${OPTIONS-} in *-server[=[:space:]]* | *-s[=[:space:]]* | *-config[=[:space:]]* | *-c[=[:space:]]*) return 0 ;; esac
    ! grep -Eqs "^[^#]*server[\"']?[[:space:]]*:" "$CONFIG" "$CONFIG".d/* || return 0
    unit=/etc/systemd/system/k3s-agent.service
    ! grep -Eqs '^[[:space:]]*(Environment|ExecStart)' "$unit" "$unit".d/*.conf || return 0
    refuse "an agent needs the address of a server and its token: set K3S_URL and K3S_TOKEN in /etc/sysconfig/k3s-agent," \
        "or server and token in $CONFIG"
}

# A version that cannot be read or written leaves the record as it is, since without one every start is allowed.
record_version() {
    version=$(installed_version)
    [ -n "$version" ] && echo "$version" >"$RECORD.new" && mv -f "$RECORD.new" "$RECORD"
}

case ${1-} in
--started) record_version ;;
k3s) check_version "${2:-$(installed_version)}" ;;
k3s-agent) check_server ;;
*) refuse "usage: $0 k3s|k3s-agent [VERSION], or $0 --started" ;;
esac
