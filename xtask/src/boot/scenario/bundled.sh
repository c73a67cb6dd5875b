#!/bin/sh
# The user space that the binary brings along (k3s-root): of the distribution's, nothing is left to be found.
. /proof/say.sh
. /proof/cluster.sh

# What k3s, kubelet and the network plugins call by name. modprobe stays for the kernel, which knows its place.
THEIRS='conntrack ebtables ethtool ip ip6tables ip6tables-restore ip6tables-save ipset iptables iptables-restore
    iptables-save mount nft nsenter socat umount'

start_k3s() {
    put_binary
    network
    configure
    # shellcheck disable=SC2086
    take_away $THEIRS
    serve k3s
}

# own PROGRAM: where the binary has unpacked it.
own() { echo "/var/lib/rancher/k3s/data/current/bin/aux/$1"; }

look_at_programs() {
    look_at_sandbox
    for program in iptables mount; do
        not command -v "$program"
        [ -x "$(own "$program")" ]
    done
    fact iptables "$("$(own iptables)" --version)"
    "$(own iptables-save)" --table nat >/run/rules
    grep -q KUBE-SERVICES /run/rules
    # The volume that kubelet has mounted in the pod.
    grep -q '^tmpfs /var/lib/kubelet/pods/.*/memory ' /proc/mounts
}

step systemd is_systemd
step k3s start_k3s
step node node_is_ready
step pod run_web
step service ask_service
step bundled look_at_programs
finish
