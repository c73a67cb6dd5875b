#!/bin/sh
# The binary alone: no package, and no file but the image of the pods.
. /scenario/common.sh
. /scenario/cluster.sh

check_guest() {
    add_network
    check_node
}

start_k3s() {
    install_binary
    configure
    [ "$(ls /var/lib/rancher/k3s/agent/images)" = busybox.tar ]
    start_server k3s
}

# Restarts k3s with a registry that does not exist, from which it would pull every system image.
restart_with_registry() {
    kubectl delete pod web --now --wait=true
    systemctl stop k3s
    # systemd keeps a unit, and its name, until the last of its processes has ended.
    start_server k3s-again --system-default-registry=registry.invalid
    wait_for is_node_ready
    run_web
    inspect_sandbox web
    # containerd reports any one of an image's names, so the name that k3s asks for is looked up directly.
    grep -q '"registry.invalid/.*pause' /var/lib/rancher/k3s/agent/etc/containerd/config.toml
    k3s ctr images list --quiet | grep -q '^registry.invalid/.*pause'
}

step check 300 'k3s-check finds nothing that keeps k3s from working' check_guest
step k3s 1200 'the binary runs as a server, with no package installed' start_k3s
step node 600 'the node is Ready' wait_for_node
step pod 900 'a pod is Running' run_web
step sandbox 200 'its sandbox is the pause inside the binary' check_sandbox
step registry 2000 'the same under a system default registry that does not exist' restart_with_registry
finish
