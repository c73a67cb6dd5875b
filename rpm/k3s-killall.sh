#!/bin/sh
# k3s-killall.sh: end k3s and every pod of it on this node, now.
#
# usage: k3s-killall.sh [--if-running]
#     --if-running    do nothing unless a unit or a process of k3s runs
#
# Stops the units, ends the processes, and takes away the mounts, network interfaces and packet
# filter rules that pods leave behind. Deletes no data: the next start of k3s brings the pods back.
# Ends only the pods of the containerd inside k3s, not those of one given by --docker or
# --container-runtime-endpoint, and not a rootless k3s. Refuses where another Kubernetes runs: the
# owner of a mount below /var/lib/kubelet, an interface or a rule cannot be determined.
#
# Exit status: 0 when no process, mount and interface of k3s is left, 1 when one could not be removed, 2 when
# nothing was touched. Packet filter rules that cannot be removed safely are reported, and stay until a reboot.
set -u

SOCKET=/run/k3s/containerd/containerd.sock
DATA=${K3S_DATA_DIR:-/var/lib/rancher/k3s}/data/current/bin
# Where k3s unpacks itself, wherever its data directory may be; the name is a sha256. RKE2's is a version.
UNPACKED='/.*/data/[0-9a-f]{64}/bin'
# k3s itself prefers the host's tools to those it carries; so does this script.
PATH=$PATH:$DATA:$DATA/aux

say() { printf 'k3s-killall: %s\n' "$*"; }
refuse() {
    say "$*" >&2
    exit 2
}

# Succeeds if a unit of k3s runs or is about to: systemd restarts one that failed.
units_run() {
    [ -d /run/systemd/system ] &&
        [ -n "$(systemctl list-units --no-legend --state=active,activating,reloading,deactivating \
            k3s.service 'k3s-*.service')" ]
}

stop_units() {
    [ -d /run/systemd/system ] || return 0
    # A pattern matches loaded units, wherever their files are: ours, and those of upstream's installer.
    systemctl stop k3s.service 'k3s-*.service' || say "systemctl could not stop every unit"
}

# is_roots PID: succeeds if root has started a process on this host. The owners of files in /proc are root's also for a
# process that forbids to be examined, and a program that runs as root may be another user's sudo.
is_roots() {
    grep -qsxE 'Uid:([[:space:]]0){4}' "/proc/$1/status" && [ "$(readlink "/proc/$1/ns/mnt")" = "$host" ]
}

# running PATTERN: "ID PROGRAM" of each process of root's whose program matches. The file may be gone since,
# after an upgrade of it; /proc says so behind its name.
running() {
    # shellcheck disable=SC2012 # one process for all of /proc; the only free text is the last field
    ls -ln /proc/[0-9]*/exe 2>/dev/null |
        sed -nE "s:^.* /proc/([0-9]+)/exe -> ($1)( \(deleted\))?\$:\1 \2:p" |
        while read -r pid program; do
            # A program whose name has lines looks like other processes.
            case $(readlink "/proc/$pid/exe") in "$program" | "$program (deleted)") ;; *) continue ;; esac
            ! is_roots "$pid" || echo "$pid $program"
        done
}

# Process ids of what runs out of the directory k3s unpacks itself into.
programs() { running "$UNPACKED/.*" | sed 's/ .*//'; }

# Succeeds if a process belongs to k3s: it runs from k3s's directory or, as the shim of another runtime, was started
# by a containerd that does, whose search path it has.
is_ours() {
    { readlink "/proc/$1/exe"; tr '\0' '\n' <"/proc/$1/environ" | grep '^PATH='; } 2>/dev/null |
        grep -Eq "$UNPACKED"
}

# Process ids of what root has started with the arguments of a shim at the socket that k3s uses, and RKE2 as well.
at_our_socket() {
    grep -lzxF -e "$SOCKET" /proc/[0-9]*/cmdline 2>/dev/null | while read -r file; do
        process=${file%/cmdline}
        case " $(tr '\0' ' ' 2>/dev/null <"$file")" in
        *" -address $SOCKET "*) ! is_roots "${process#/proc/}" || echo "${process#/proc/}" ;;
        esac
    done
}

# Process ids of k3s's shims, one a pod. They outlive k3s.
shims() { at_our_socket | while read -r pid; do ! is_ours "$pid" || echo "$pid"; done; }

# "ID PROGRAM" of what runs of another Kubernetes: a kubelet of its own, which k3s's is not, or one inside MicroK8s,
# MicroShift or KubeEdge; RKE2's programs; a shim at our socket that is not ours, such as that of an RKE2 with its data elsewhere.
others() {
    running '/.*/kubelet|/.*/kubelite|/.*/microshift|/.*/edgecore|/.*/rke2/data/.*/bin/.*'
    at_our_socket | while read -r pid; do
        is_ours "$pid" || ! program=$(readlink "/proc/$pid/exe") || echo "$pid $program"
    done
}

# Process ids of what runs from k3s's directory and is no shim: k3s itself, its containerd, tools.
managers() { programs | grep -vxF -e "$(shims)"; }

# Process ids of all that descends from the given ones and has not ended: for shims, the containers.
# status escapes what a process may call itself, which stat does not.
descendants() {
    grep -E '^(State|PPid):' /proc/[0-9]*/status 2>/dev/null | awk -F '[/:\t ]+' -v roots="$*" '
        $5 == "State" { ended[$3] = ($6 == "Z" || $6 == "X") }
        $5 == "PPid" { children[$6] = children[$6] " " $3 }
        function print_below(pid,    list, count, i) {
            count = split(children[pid], list, " ")
            for (i = 1; i <= count; i++) { if (!ended[list[i]]) print list[i]; print_below(list[i]) }
        }
        END { count = split(roots, root, " "); for (i = 1; i <= count; i++) print_below(root[i]) }'
}

# kill_all COMMAND...: kills the process ids that COMMAND prints until it prints none, fifty times at most.
kill_all() {
    round=0
    while [ "$round" -lt 50 ] && pids=$("$@") && [ -n "$pids" ]; do
        # shellcheck disable=SC2086 # a list of numbers
        kill -KILL $pids 2>/dev/null
        round=$((round + 1))
        sleep 0.1
    done
}

containers() {
    # shellcheck disable=SC2046 # a list of numbers
    descendants $(shims)
}

end_processes() {
    # k3s and containerd first, since they would restart pods; containers before their shim, since the
    # orphans of a dead shim belong to process 1, where they look like the host's own.
    kill_all managers
    kill_all containers
    kill_all shims
}

# The mount points of the network namespaces of k3s's pods: those that containers below our shims run in, and those that
# CNI plugins have recorded for cbr0, the network of k3s. Other engines' have such names as well.
namespaces() {
    used=$(for pid in $(containers); do readlink "/proc/$pid/ns/net"; done | sort -u)
    {
        for file in /run/netns/cni-*; do
            case "$newline$used$newline" in
            *"$newline$(stat -Lc 'net:[%i]' "$file" 2>/dev/null)$newline"*) echo "$file" ;;
            esac
        done
        # Before the first bracket, since a pod's annotations come later.
        sed -nE 's:^\{[^][{}]*"netns"\:"(/run/netns/cni-[0-9A-Za-z-]+)".*:\1:p' /var/lib/cni/results/cbr0-* 2>/dev/null
    } | sort -u
}

# Prints a directory as /proc/self/mounts does: links resolved, a space as \040.
as_mounted() { readlink -f "$1" | sed 's/ /\\040/g'; }

# The mount points below k3s's directories, deepest first, as /proc writes them. The kubelet's directory may be anywhere,
# and no other kubelet runs.
mount_points() {
    pods=$(as_mounted /var/lib/kubelet/pods) plugins=$(as_mounted /var/lib/kubelet/plugins)
    while read -r _ path _ options _; do
        case $path in
        /run/k3s/* | "${pods:-/var/lib/kubelet/pods}"/* | "${plugins:-/var/lib/kubelet/plugins}"/*)
            printf '%s\n' "$path" ;;
        */pods/*/volumes/kubernetes.io~* | */pods/*/volume-subpaths/* | */plugins/kubernetes.io/*)
            # Any user can mount a FUSE file system, and then change what the path leads to.
            case ,$options in *,user_id=[1-9]*) ;; *) printf '%s\n' "$path" ;; esac ;;
        /run/netns/*)
            case "$newline$namespaces$newline" in *"$newline$path$newline"*) printf '%s\n' "$path" ;; esac ;;
        esac
    done </proc/self/mounts | sort -r
}

unmount() {
    # At last without force, which a user namespace (LXC) refuses for mounts from outside of it.
    for options in -f -f -l; do
        mounts=$(mount_points)
        [ -n "$mounts" ] || break
        printf '%s\n' "$mounts" | while read -r path; do
            # A space is written as \040; printf needs \0040.
            umount "$options" "$(printf '%b' "$(printf '%s' "$path" | sed 's/\\/\\0/g')")" 2>/dev/null
        done
        [ -z "$(mount_points)" ] || sleep 1
    done
    # What remains of a network namespace's mount is the empty file that was its mount point.
    for namespace in $namespaces; do
        [ ! -f "$namespace" ] || rm -f "$namespace" 2>/dev/null
    done
}

# The interfaces that the bandwidth plugin makes for pods, by its own rule: a hash of the network and the pod sandbox. Those
# of another network have such names as well.
bandwidth_interfaces() {
    for result in /var/lib/cni/results/cbr0-*; do
        sandbox=${result##*/cbr0-}
        hash=$(printf 'cbr0%s' "${sandbox%-*}" | sha512sum)
        [ ! -e "/sys/class/net/bwp$(printf %.12s "$hash")" ] || printf 'bwp%.12s\n' "$hash"
    done
}

interfaces() {
    for path in /sys/class/net/cni0/brif/* /sys/class/net/cni0 /sys/class/net/flannel.1 \
        /sys/class/net/flannel-v6.1 /sys/class/net/flannel-wg /sys/class/net/flannel-wg-v6 \
        /sys/class/net/kube-ipvs0; do
        [ ! -e "$path" ] || echo "${path##*/}"
    done
    bandwidth_interfaces
}

delete_interfaces() {
    for interface in $(interfaces); do
        ip link delete "$interface" 2>/dev/null
    done
}

# The rules without those of kube-proxy, the network policies and flannel, and without the forwarded ports of cbr0, the
# network of k3s: rules of the portmap plugin name their network, and jump to a chain of the one pod. The chains that
# lead there stay if those of another network need them.
without_k3s() {
    awk '
        function is_own(name) {
            return name ~ /^(KUBE|FLANNEL)-/ || name in own ||
                !shared && name ~ /^CNI-HOSTPORT-(DNAT|MASQ|SETMARK)$/
        }
        { lines[NR] = $0 }
        / name: \\"cbr0\\" / && match($0, / -j CNI-DN-[^ ]*$/) { own[substr($0, RSTART + 4)] = 1 }
        match($0, /^:CNI-DN-[^ ]*/) { pods[substr($0, 2, RLENGTH - 1)] = 1 }
        END {
            for (chain in pods) if (!(chain in own)) shared = 1
            for (i = 1; i <= NR; i++) {
                rule = lines[i]
                if (rule ~ / --comment "flanneld (masq|forward)"/) continue
                if (rule ~ / --comment "(KUBE-ROUTER )?rule to explicitly ACCEPT traffic that comply to network policies"/) continue
                # What a comment says is no option.
                gsub(/"([^"\\]|\\.)*"/, "", rule)
                count = split(rule, words)
                if (words[1] ~ /^:/ && is_own(substr(words[1], 2))) continue
                for (n = 1; n < count && !(words[n] ~ /^-[Ajg]$/ && is_own(words[n + 1])); n++);
                if (n >= count) print lines[i]
            }
        }'
}

# delete_rules iptables|ip6tables. Writing the whole rule set back is safe only with tools that read it
# without loss: those of the host may not know what newer ones, inside k3s, have written.
delete_rules() {
    command -v "$1-save" >/dev/null && command -v "$1-restore" >/dev/null || return 0
    rules=$("$1-save" --counters 2>/dev/null) || return 0
    kept=$(printf '%s\n' "$rules" | without_k3s)
    [ "$kept" != "$rules" ] || return 0
    if printf '%s\n' "$rules" | grep -Eq -e '-A CNI-HOSTPORT-MASQ -j MASQUERADE$' -e '^# .*incompatible' ||
        ! printf '%s\n' "$kept" | "$1-restore" --counters --test 2>/dev/null; then
        say "$1-save cannot read all rules of this host: they stay as they are until a reboot"
        return 0
    fi
    printf '%s\n' "$kept" | "$1-restore" --counters || say "$1-restore failed: the rules stay as they were"
}

delete_packet_filters() {
    delete_rules iptables
    delete_rules ip6tables
    if command -v ipset >/dev/null; then
        for set in $(ipset list -n 2>/dev/null | grep -E '^(inet6:)?KUBE-'); do
            ipset destroy "$set" 2>/dev/null
        done
    fi
    if command -v nft >/dev/null; then
        for table in 'ip kube-proxy' 'ip6 kube-proxy' 'ip flannel-ipv4' 'ip6 flannel-ipv6'; do
            # shellcheck disable=SC2086 # family and name are two words
            nft delete table $table 2>/dev/null
        done
    fi
}

report_leftovers() {
    left=$(programs; shims; mount_points; interfaces)
    [ -n "$left" ] || return 0
    say "could not remove (process ids, mounts, interfaces):" >&2
    printf '%s\n' "$left" >&2
    return 1
}

case $* in
'' | --if-running) ;;
*) refuse "unknown argument: $* (the only one is --if-running)" ;;
esac
[ "$(id -u)" -eq 0 ] || refuse "must be run by root: sudo $0"
# Inside a chroot, such as an image being made, every process and interface in sight is the host's.
if [ "$(stat -Lc %d:%i /proc/1/root 2>/dev/null)" != "$(stat -Lc %d:%i /)" ]; then
    say "not the root file system of a running machine: nothing to end"
    exit 0
fi
# rpm can run scriptlets in a mount and a network namespace of their own (rpm-plugin-unshare(8)): what is unmounted there
# stays mounted everywhere else, and there is no interface and no rule to delete.
for namespace in mnt net; do
    [ "$(readlink "/proc/self/ns/$namespace")" = "$(readlink "/proc/1/ns/$namespace")" ] ||
        exec nsenter -t 1 -m -n -r sh "$(readlink -f "$0")" "$@"
done
# The mount namespace of this host: a k3s inside a container is not this one.
host=$(readlink /proc/1/ns/mnt)
newline='
'
if [ "$*" = --if-running ] && ! units_run && [ -z "$(programs; shims)" ]; then
    exit 0
fi
others=$(others)
[ -z "$others" ] || refuse "nothing ended: another Kubernetes runs here, whose pods would lose mounts, network" \
    "and rules; end it first (process id and program):
$others"

namespaces=$(namespaces)
stop_units
end_processes
unmount
delete_interfaces
delete_packet_filters
report_leftovers
