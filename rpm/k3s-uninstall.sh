#!/bin/sh
# k3s-uninstall.sh: end k3s on this node and delete its data.
#
# usage: k3s-uninstall.sh [--yes] [--purge]
#     --yes      do not ask
#     --purge    also delete what the administrator wrote: everything in /etc/rancher/k3s
#
# Nothing else deletes data: removing the packages leaves it all in place. The packages, in turn, stay
# installed, and /etc/sysconfig/k3s* with them; `dnf remove k3s` removes them, before or after.
# A data directory other than k3s's own default is the one in K3S_DATA_DIR, else it is searched where k3s
# is configured: in the options and variables of its units, and in config.yaml and config.yaml.d.
set -u

CONFIG=/etc/rancher/k3s
DEFAULT=/var/lib/rancher/k3s
# All that k3s makes in its data directory. What identifies it as k3s's comes last, so that a run which was
# interrupted can be repeated.
OWN='storage data agent server'
# What is there where a kubeadm, a KubeEdge or an RKE2 is installed, even if it does not run.
OTHERS='/etc/kubernetes/kubelet.conf /var/lib/kubelet/config.yaml /var/lib/kubelet/kubeadm-flags.env
    /var/lib/kubelet/pki /etc/kubeedge/config/edgecore.yaml /var/lib/rancher/rke2'
# Where those keep their data as well, under the same names.
SHARED='/var/lib/kubelet /run/flannel /var/lib/cni/networks/cbr0 /var/lib/cni/flannel /var/log/pods
    /var/log/containers /etc/rancher/node/password'

say() { printf 'k3s-uninstall: %s\n' "$*"; }
fail() {
    say "$*" >&2
    exit 1
}

# The units in use or, where none is, both.
units() {
    used=$(for unit in k3s k3s-agent; do
        ! systemctl --quiet is-enabled "$unit.service" 2>/dev/null &&
            ! systemctl --quiet is-active "$unit.service" 2>/dev/null || echo "$unit"
    done)
    echo "${used:-k3s k3s-agent}"
}

# What the administrator has written for a unit, in the order in which a later line wins: a unit in /etc, and
# the packaged unit's EnvironmentFile=. Continued lines are joined, quotes and comments left out.
written_for() {
    for file in "/etc/systemd/system/$1.service" "/etc/systemd/system/$1.service.d"/*.conf "/etc/default/$1" \
        "/etc/systemd/system/$1.service.env" "/etc/sysconfig/$1"; do
        # The last line of a file may have no newline.
        [ ! -f "$file" ] || { cat "$file" && echo; }
    done | sed -e ':join' -e '/\\$/{N;s/\\\n/ /;b join' -e '}' -e '/^[[:space:]]*[#;]/d' -e "s/[\"'\\\\]//g"
}

# variable NAME: the values it is given in the standard input.
variable() { sed -nE "s/^(Environment=(.*[[:space:]])?)?$1=//p" | sort -u; }

# option NAMES: its value in the command line that the standard input makes, where the last one counts.
option() {
    awk '
        sub(/^ExecStart=/, "") { command = $0 }
        sub(/^(Environment=)?OPTIONS=/, "") { options = $0 }
        END { print command (command == "" || command ~ /[$][{]?OPTIONS/ ? " " options : "") }' |
        sed -nE "s/^(.*[[:space:]])?--?($1)([[:space:]]+|=)([^[:space:]]+).*/\4/p"
}

# configured FILE: prints the last data-dir of a config file and the files in FILE.d. A line that cannot be parsed is
# printed as it is, and rejected later since it is not a path.
configured() {
    [ "$1" = "$CONFIG/config.yaml" ] || [ -r "$1" ] || echo "what $1 says, which cannot be read"
    key="[\"']?data-dir[\"']?"
    for file in "$1" "$1.d"/*; do
        case $file in
        "$1" | *.[yY][mM][lL] | *.[yY][aA][mM][lL]) ;;
        *) continue ;;
        esac
        sed -nE "/^([^#]*[^#[:alnum:]_-])?${key}[+]?[[:space:]]*:|^[\"']?d[\"']?[[:space:]]*:/{
            s|^${key}[[:space:]]*:[[:space:]]+([\"']?)(/[^\"'#[:space:]]*)\\1([[:space:]]+#.*)?[[:space:]]*\$|\\2|
            p;}" "$file" 2>/dev/null
        # The last line of a file may have no newline.
        echo
    done | grep . | tail -n 1
}

# The config files that units name.
config_files() {
    for unit in $units; do
        named=$(written_for "$unit" | variable K3S_CONFIG_FILE)
        printf '%s\n' "${named:-$(written_for "$unit" | option 'config|c')}"
    done | sort -u | grep .
}

# Prints one line for each data directory that k3s is configured to use. The command line wins over a config file. A
# variable wins over both for one part of the data and loses for the other: there the two have to agree. Where
# neither unit is in use, what is written for one counts more than that the other has the default.
named_directories() {
    units=$(units)
    named=$(for unit in $units; do written_for "$unit" | option 'data-dir|d'; done)
    [ -n "$named" ] || named=$({ config_files || echo "$CONFIG/config.yaml"; } |
        while read -r file; do configured "$file"; done)
    {
        printf '%s\n' "$named"
        for unit in $units; do written_for "$unit" | variable K3S_DATA_DIR; done
    } | sed -e 's:\(.\)/*$:\1:' -e '/^$/d' | sort -u
}

data_directory() {
    named=${K3S_DATA_DIR:-$(named_directories)}
    case ${named:=$DEFAULT}/ in
    *"$newline"*)
        fail "more than one data directory is named, and which one k3s has used is unknown; run" \
            "K3S_DATA_DIR=... $0 with the right one of:$newline$named"
        ;;
    // | [!/]* | */../* | */./* | *[[:space:]]*)
        fail "not a data directory (an absolute path without spaces); run K3S_DATA_DIR=... $0" \
            "with the right one in place of: $named"
        ;;
    esac
    echo "${named%/}"
}

# What k3s has made in its data directory, as far as it is there.
own_entries() {
    for entry in $OWN; do
        [ ! -e "$data/$entry" ] && [ ! -L "$data/$entry" ] || printf '%s\n' "$data/$entry"
    done
}

# A directory with any other name than k3s's default could belong to something else, and so could `data` and `server`
# in it. Where a config file names one in which nothing is left to delete, the rest can be deleted all the same.
require_k3s_data() {
    [ "$named" != "$DEFAULT" ] || return 0
    [ -n "${K3S_DATA_DIR-}$(own_entries)" ] || return 0
    for sign in "$data"/data/*/bin/k3s "$data/agent/k3scontroller.kubeconfig" \
        "$data/server/tls/client-k3s-controller.crt"; do
        [ ! -e "$sign" ] && [ ! -L "$sign" ] || return 0
    done
    fail "nothing deleted: $data is not a data directory of k3s: it contains no data/*/bin/k3s;" \
        "set K3S_DATA_DIR to k3s's own data directory"
}

# Deleting through a mount point would delete what is mounted there.
refuse_mounts_below() {
    for directory in "$@"; do
        [ -d "$directory" ] || continue
        mounted=$(below=$(readlink -f "$directory" | sed 's/ /\\040/g')/ awk \
            'index($2, ENVIRON["below"]) == 1 { printf " %s", $2 }' /proc/self/mounts)
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

# delete PATH...: but for what is packaged. What is behind a link may be more than k3s has written there: both are
# kept. A subshell, since it calls itself.
delete() (
    status=0
    for path in "$@"; do
        if [ -L "$path" ] && [ -d "$path" ] && ! is_packaged "$path"; then
            say "kept: $path, a link, and what it leads to: $(readlink -f "$path")"
        elif ! is_packaged "$path"; then
            rm -rf -- "$path" || status=1
        elif [ -d "$path" ] && [ ! -L "$path" ]; then
            empty "$path" || status=1
            # Succeeds where no package is left to own it.
            rmdir -- "$path" 2>/dev/null
        fi
    done
    exit "$status"
)
empty() { delete "$1"/* "$1"/.[!.]* "$1"/..?*; }

# What is left in the data directory is not of k3s, unless it is a package's.
list_kept() {
    for entry in "$data"/* "$data"/.[!.]* "$data"/..?*; do
        case " $OWN " in *" ${entry##*/} "*) continue ;; esac
        if [ -e "$entry" ] || [ -L "$entry" ]; then say "kept: $entry (not of k3s)"; fi
    done
    [ -z "$other" ] || for entry in $SHARED; do
        [ ! -e "$entry" ] || say "kept: $entry (perhaps of another Kubernetes, since $other is here)"
    done
    for entry in "$CONFIG"/*; do
        [ ! -e "$entry" ] || say "kept: $entry (--purge deletes it)"
    done
}

ask() {
    say "this ends k3s on this node and deletes"
    own=$(own_entries | tr '\n' ' ')
    [ -z "$own" ] || say "  $own(cluster state, certificates, images, local volumes)"
    # shellcheck disable=SC2086 # a list of words
    say "  $CONFIG/k3s.yaml /run/k3s" $shared
    [ -z "$purge" ] || say "  everything else in $CONFIG, config.yaml and registries.yaml included"
    [ -z "$assume_yes" ] || return 0
    [ -t 0 ] || fail "nothing deleted: standard input is not a terminal; add --yes"
    printf 'Delete it all? Type yes: '
    read -r answer
    [ "$answer" = yes ] || fail "nothing deleted"
}

newline='
'
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
named=$(data_directory) || exit 1
data=$(readlink -f "$named")
data=${data:-$named}
require_k3s_data
other=
shared=$SHARED
for sign in $OTHERS; do
    [ ! -e "$sign" ] || { other=$sign && shared=; }
done
ask

K3S_DATA_DIR=$data /usr/bin/k3s-killall.sh || fail "nothing deleted: k3s-killall.sh has not ended all, see above"
# shellcheck disable=SC2086 # a list of words
set -- /run/k3s $shared
refuse_mounts_below "$data" "$@" ${purge:+"$CONFIG"}
for unit in k3s.service k3s-agent.service; do
    systemctl disable "$unit" 2>/dev/null
    systemctl reset-failed "$unit" 2>/dev/null
done

status=0
for path in "$@"; do
    # The directory itself may be a link, or another file system.
    if [ -d "$path" ]; then
        empty "$path" || status=1
        rmdir -- "$path" 2>/dev/null
    else
        rm -f -- "$path" || status=1
    fi
done
# Results of podman's networks are beside ours. Each pod has one of cbr0, and one of its loopback interface.
[ -z "$shared" ] || for result in /var/lib/cni/results/cbr0-*; do
    pod=${result##*/cbr0-}
    rm -f "$result" /var/lib/cni/results/cni-loopback-"${pod%-*}"-* || status=1
done
rmdir /etc/rancher/node 2>/dev/null
for entry in $OWN; do
    delete "$data/$entry" || status=1
done
# The directory of the default name is the package's own.
if [ "$named" != "$DEFAULT" ] && rmdir -- "$data" 2>/dev/null && [ -L "$named" ]; then
    rm -f -- "$named" || status=1
fi
rm -f "$CONFIG/k3s.yaml" "$DEFAULT/rpm-version" "$DEFAULT/rpm-version.new" || status=1
[ -z "$purge" ] || empty "$CONFIG" || status=1
[ "$status" -eq 0 ] || fail "not everything could be deleted"
list_kept
say "done; the packages are still installed (dnf remove k3s)"
