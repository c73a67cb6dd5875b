#!/bin/sh
# k3s-uninstall.sh: end k3s on this node and delete its data.
#
# usage: k3s-uninstall.sh [--yes] [--purge]
#     --yes      do not ask
#     --purge    also delete what the administrator wrote: everything in /etc/rancher/k3s
#
# Nothing else deletes data: removing the packages leaves it all in place. The packages, in turn, stay
# installed, and /etc/sysconfig/k3s* with them; `dnf remove k3s` takes them away, before or after.
# A data directory other than k3s's own default is found in K3S_DATA_DIR, in /etc/sysconfig/k3s* or in
# config.yaml.
set -u

CONFIG=/etc/rancher/k3s

say() { printf 'k3s-uninstall: %s\n' "$*"; }
fail() {
    say "$*" >&2
    exit 1
}

data_directory() {
    if [ -n "${K3S_DATA_DIR-}" ]; then
        echo "$K3S_DATA_DIR"
        return
    fi
    configured=$(sed -nE \
        -e "s:^(K3S_DATA_DIR=|data-dir\\: *)[\"']?([^\"'#]*[^\"'# ]).*:\\2:p" \
        -e "s:^OPTIONS=.*--data-dir[= ]([^\"' \\]+).*:\\1:p" \
        /etc/sysconfig/k3s /etc/sysconfig/k3s-agent "$CONFIG/config.yaml" "$CONFIG"/config.yaml.d/*.yaml \
        2>/dev/null | tail -n 1)
    echo "${configured:-/var/lib/rancher/k3s}"
}

refuse_what_cannot_be_k3s() {
    case $1/ in
    [!/]* | */../* | */./* | *[[:space:]]*)
        fail "the data directory must be an absolute path without blanks: $1" ;;
    esac
    case ${1%/} in
    '' | /bin | /boot | /dev | /etc | /home | /lib | /lib64 | /media | /mnt | /opt | /proc | /root | /run | /sbin | \
        /srv | /sys | /tmp | /usr | /usr/* | /var | /var/lib | /var/lib/rancher)
        fail "will not empty $1: set K3S_DATA_DIR to k3s's own data directory" ;;
    esac
}

# Deleting through a mount point would delete what is mounted there.
refuse_mounts_below() {
    for directory in "$@"; do
        [ -d "$directory" ] || continue
        mounted=$(awk -v below="$(readlink -f "$directory")/" \
            'index($2, below) == 1 { printf " %s", $2 }' /proc/self/mounts)
        [ -z "$mounted" ] || fail "k3s is stopped, nothing deleted: unmount first what is still mounted:$mounted"
    done
}

# A link to the image of a package is rpm's, and so are the directories on the way to it.
is_packaged() {
    case $1 in
    "$data/agent" | "$data/agent/images") [ -d "$1" ] && [ ! -L "$1" ] ;;
    "$data/agent/images/"*) case $(readlink "$1") in /usr/share/k3s/images/*) ;; *) return 1 ;; esac ;;
    *) return 1 ;;
    esac
}

# empty DIRECTORY: deletes what is in it, but for what is packaged. A subshell, since it calls itself.
empty() (
    status=0
    for entry in "$1"/* "$1"/.[!.]* "$1"/..?*; do
        if is_packaged "$entry"; then
            if [ -d "$entry" ] && [ ! -L "$entry" ]; then
                empty "$entry" || status=1
                # Succeeds where no package is left to own it.
                rmdir -- "$entry" 2>/dev/null
            fi
        else
            rm -rf -- "$entry" || status=1
        fi
    done
    exit "$status"
)

ask() {
    say "this ends k3s on this node and deletes"
    say "  $data (cluster state, certificates, images, local volumes)"
    say "  /var/lib/kubelet, /run/k3s, /run/flannel, the CNI leases of k3s, $CONFIG/k3s.yaml"
    [ -z "$purge" ] || say "  everything else in $CONFIG, config.yaml and registries.yaml included"
    [ -z "$assume_yes" ] || return 0
    [ -t 0 ] || fail "nothing deleted: no terminal to ask at; add --yes"
    printf 'Delete it all? Type yes: '
    read -r answer
    [ "$answer" = yes ] || fail "nothing deleted"
}

assume_yes=
purge=
for argument in "$@"; do
    case $argument in
    --yes | -y) assume_yes=1 ;;
    --purge) purge=1 ;;
    -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p}' "$0" && exit 0 ;;
    *) fail "unknown argument: $argument (see $0 --help)" ;;
    esac
done
[ "$(id -u)" -eq 0 ] || fail "must be run by root: sudo $0 $*"
named=$(data_directory)
refuse_what_cannot_be_k3s "$named"
data=$(readlink -f "$named")
data=${data:-$named}
refuse_what_cannot_be_k3s "$data"
ask

K3S_DATA_DIR=$data /usr/bin/k3s-killall.sh || fail "nothing deleted: k3s-killall.sh left something behind"
set -- "$data" /var/lib/kubelet /run/k3s /run/flannel /var/lib/cni/networks/cbr0 /var/lib/cni/flannel
refuse_mounts_below "$@"
for unit in k3s.service k3s-agent.service; do
    systemctl disable "$unit" 2>/dev/null
    systemctl reset-failed "$unit" 2>/dev/null
done

status=0
for directory in "$@"; do
    [ -d "$directory" ] || continue
    empty "$directory" || status=1
    # The data directory is the package's own.
    [ "$directory" = "$data" ] || rmdir -- "$directory" 2>/dev/null
done
rm -f "$CONFIG/k3s.yaml" || status=1
[ -z "$purge" ] || empty "$CONFIG" || status=1
[ "$status" -eq 0 ] || fail "not everything could be deleted"
for entry in "$CONFIG"/*; do
    [ ! -e "$entry" ] || say "kept: $entry (--purge deletes it)"
done
say "done; the packages are still installed (dnf remove k3s)"
