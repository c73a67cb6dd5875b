#!/bin/sh
# A node with nothing disabled. Every image is from the bundle in agent/images, where the package has it.
. /scenario/common.sh
. /scenario/cluster.sh

# With the bundle, nothing is missing but what a virtual machine may have no need of: a real-time clock.
check_guest() {
    add_network
    mkdir -p /var/lib/rancher/k3s/agent/images
    cp /scenario/images/* /var/lib/rancher/k3s/agent/images/
    check_node
    [ -z "$found" ] || [ "$found" = rtc ]
}

start_k3s() {
    install_binary
    [ ! -e /etc/rancher/k3s ]
    start_server k3s
}

step check 300 'k3s-check finds nothing that is missing' check_guest
step k3s 1200 'a server has started with nothing disabled' start_k3s
step node 1800 'the node is Ready, and has every image of the bundle' wait_for_images
# add-ons.sh follows.
