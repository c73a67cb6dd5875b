#!/bin/sh
# k3s-killall.sh: end k3s and every pod of it on this node, now.
#
# Stops the units, ends the processes, and takes away the mounts, network interfaces and packet
# filter rules that pods leave behind. Deletes no data: the next start of k3s brings the pods back.
# Touches only the containerd inside k3s, not one given by --docker or
# --container-runtime-endpoint, and not a rootless k3s.
#
# Exit status: 0 when nothing of k3s is left, 1 when something could not be removed.
set -u

SOCKET=/run/k3s/containerd/containerd.sock
DATA=${K3S_DATA_DIR:-/var/lib/rancher/k3s}/data/current/bin
# k3s itself prefers the host's tools to those it carries; so does this script.
PATH=$PATH:$DATA:$DATA/aux

say() { printf 'k3s-killall: %s\n' "$*"; }

stop_units() {
    [ -d /run/systemd/system ] || return 0
    # A pattern matches loaded units, wherever their files lie: ours, and those of upstream's installer.
    systemctl stop k3s.service 'k3s-*.service' || say "systemctl could not stop every unit"
}

# Keeps the process ids of this host's own mount namespace: a k3s inside a container is not this one.
of_this_host() {
    while read -r pid; do
        [ "$(readlink "/proc/$pid/ns/mnt")" != "$(readlink /proc/1/ns/mnt)" ] || echo "$pid"
    done
}

# Process ids of programs that root runs out of the directory k3s unpacks itself into, whose name is a sha256.
programs() {
    # shellcheck disable=SC2012 # one process for all of /proc; the only free text is the last field
    ls -ln /proc/[0-9]*/exe 2>/dev/null |
        sed -nE 's:^[^ ]+ +[0-9]+ +0 .* /proc/([0-9]+)/exe -> /.*/data/[0-9a-f]{64}/bin/.*:\1:p' | of_this_host
}

# Process ids of the shims, one a pod. They outlive k3s; another containerd's shims name another socket.
shims() {
    grep -lzxF -e "$SOCKET" /proc/[0-9]*/cmdline 2>/dev/null | while read -r file; do
        case " $(tr '\0' ' ' 2>/dev/null <"$file")" in
        *" -address $SOCKET "*) file=${file#/proc/} && echo "${file%/cmdline}" ;;
        esac
    done | of_this_host
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

# kill_all COMMAND...: kills the process ids that COMMAND prints until it prints none, for 5 seconds at most.
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
    # k3s and containerd first, since they would start pods anew; containers before their shim, since the
    # orphans of a dead shim belong to process 1, where nothing tells them from the host's own.
    kill_all managers
    kill_all containers
    kill_all shims
}

# The mount points below k3s's directories, deepest first, as /proc writes them.
mount_points() {
    while read -r _ path _; do
        case $path in
        /run/k3s/* | /run/netns/cni-* | /var/lib/kubelet/pods/* | /var/lib/kubelet/plugins/*)
            printf '%s\n' "$path" ;;
        esac
    done </proc/self/mounts | sort -r
}

unmount() {
    for options in -f -f -fl; do
        mounts=$(mount_points)
        [ -n "$mounts" ] || break
        printf '%s\n' "$mounts" | while read -r path; do
            # A blank stands as \040; printf wants \0040.
            umount "$options" "$(printf '%b' "$(printf '%s' "$path" | sed 's/\\/\\0/g')")" 2>/dev/null
        done
        [ -z "$(mount_points)" ] || sleep 1
    done
    # What remains of a network namespace's mount is the empty file it stood on.
    for namespace in /run/netns/cni-*; do
        [ ! -f "$namespace" ] || rm -f "$namespace" 2>/dev/null
    done
}

interfaces() {
    for path in /sys/class/net/cni0/brif/* /sys/class/net/cni0 /sys/class/net/flannel.1 \
        /sys/class/net/flannel-v6.1 /sys/class/net/flannel-wg /sys/class/net/flannel-wg-v6 \
        /sys/class/net/kube-ipvs0; do
        [ ! -e "$path" ] || echo "${path##*/}"
    done
}

delete_interfaces() {
    for interface in $(interfaces); do
        ip link delete "$interface" 2>/dev/null
    done
}

# The rules without those of kube-proxy, the network policies, CNI plugins and flannel.
without_k3s() {
    grep -Ev -e '^:(KUBE|CNI|FLANNEL)-' \
        -e '^(\[[0-9:]*\] )?-A (KUBE|CNI|FLANNEL)-' \
        -e ' -[jg] (KUBE|CNI|FLANNEL)-' \
        -e ' --comment "?flannel' \
        -e ' --comment "(KUBE-ROUTER )?rule to explicitly ACCEPT traffic that comply to network policies"'
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

if [ "$(id -u)" -ne 0 ]; then
    say "must be run by root: sudo $0" >&2
    exit 1
fi
# Inside a chroot, such as an image being made, every process and interface in sight is the host's.
if [ "$(stat -Lc %d:%i /proc/1/root 2>/dev/null)" != "$(stat -Lc %d:%i /)" ]; then
    say "not the root file system of a running machine: nothing to end"
    exit 0
fi

stop_units
end_processes
unmount
delete_interfaces
delete_packet_filters
report_leftovers
