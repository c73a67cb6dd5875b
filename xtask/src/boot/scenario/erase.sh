#!/bin/sh
# Erases the packages of a live node, beside what is not of k3s: a container of the distribution's containerd, which stands
# for one of podman, an interface, a network namespace and a rule.
. /scenario/common.sh
. /scenario/cluster.sh

# The distribution's own ctr. rpm does not know it, so the ctr of k3s-cri-tools replaces it.
foreign_ctr() { /run/ctr "$@"; }

run_foreign() {
    cp /usr/bin/ctr /run/ctr
    systemctl start containerd
    foreign_ctr images import /scenario/busybox.tar
    foreign_ctr run --detach "$pod_image" foreign sleep 100000
    foreign=$(foreign_ctr tasks list | awk '$1 == "foreign"')
    ip link add foreign0 type bridge
    ip netns add foreign
    iptables -N FOREIGN
    iptables -A FORWARD -i foreign0 -j FOREIGN
    everything >/run/before
    for part in foreign/rootfs /run/netns/foreign foreign0 'j FOREIGN'; do grep -q -e "$part" /run/before; done
    still_runs
}

# Checks that the container has the same process as ever, which can still be given another one.
still_runs() {
    [ "$(foreign_ctr tasks list | awk '$1 == "foreign"')" = "$foreign" ]
    [ "$(foreign_ctr tasks exec --exec-id "$(cut -d . -f 1 /proc/uptime)" foreign echo alive)" = alive ]
}

# Prints the mounts, interfaces and rules of the guest, sorted.
everything() {
    {
        cut -d ' ' -f 1-3 /proc/mounts
        ip -brief link show | awk '{ print "interface", $1 }'
        iptables-save | grep -e '^-A'
    } | sort -u
}

start_k3s() {
    add_network
    install_stub
    install_server
    configure
    systemctl enable --now k3s
    wait_for_node
}

run_pods() {
    run_web
    run_pod other 'sleep 100000'
    is_in_phase other Running
    kubectl create configmap kept
    add_policy
    are_found
    still_runs
}

erase() {
    rpm --erase k3s-cli k3s-cri-tools k3s
    are_gone
    [ -z "$(sets)" ]
    for file in /usr/bin/k3s /usr/bin/kubectl /usr/lib/systemd/system/k3s.service; do [ ! -e "$file" ]; done
    not systemctl --quiet is-active k3s
    [ ! -L /etc/systemd/system/multi-user.target.wants/k3s.service ]
}

check_others() {
    everything >/run/after
    [ -z "$(comm -23 /run/before /run/after)" ]
    still_runs
}

# The data of before, with a package that is installed again.
check_data() {
    [ -s /etc/rancher/k3s/config.yaml ]
    install_server
    systemctl start k3s
    wait_for kubectl get configmap kept
}

step foreign 300 'a container of another runtime runs, with an interface, a network namespace and a rule' run_foreign
step node 1800 'k3s runs from its packages, and the node is Ready' start_k3s
step pods 900 'pods are Running' run_pods
step erased 600 'erased live, k3s has left no process, mount, interface, rule or set' erase
step others 120 'what is not of k3s is untouched, and its container lives on' check_others
step data 1200 'after another installation, the data is still there' check_data
finish
