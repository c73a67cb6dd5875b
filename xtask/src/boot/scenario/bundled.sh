#!/bin/sh
# The user space inside the binary (k3s-root), with the distribution's removed.
. /scenario/common.sh
. /scenario/cluster.sh

# Commands that k3s, kubelet and the network plugins call by name. modprobe stays: the kernel calls it by its path.
COMMANDS='conntrack ebtables ethtool ip ip6tables ip6tables-restore ip6tables-save ipset iptables iptables-restore
    iptables-save mount nft nsenter socat umount'

start_k3s() {
    install_binary
    add_network
    configure
    # shellcheck disable=SC2086
    remove_commands $COMMANDS
    start_server k3s
}

# bundled COMMAND: prints the path where the binary has unpacked it.
bundled() { echo "/var/lib/rancher/k3s/data/current/bin/aux/$1"; }

check_bundled() {
    check_sandbox
    for program in iptables mount; do
        not command -v "$program"
        [ -x "$(bundled "$program")" ]
    done
    fact iptables "$("$(bundled iptables)" --version)"
    "$(bundled iptables-save)" --table nat >/run/rules
    grep -q KUBE-SERVICES /run/rules
    # The kubelet has mounted the pod's volume.
    grep -q '^tmpfs /var/lib/kubelet/pods/.*/memory ' /proc/mounts
}

step k3s 1200 'the binary runs as a server, without the iptables, conntrack and mount of the guest' start_k3s
step node 600 'the node is Ready' wait_for_node
step pod 900 'a pod is Running' run_web
step service 700 'a service responds to a second pod' query_service
step bundled 200 'the commands of k3s-root made rules and mounts' check_bundled
finish
