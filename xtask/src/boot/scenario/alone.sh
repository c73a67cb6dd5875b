#!/bin/sh
# The binary alone: no package, and no file but the image of the pods.
. /proof/say.sh
. /proof/cluster.sh

start_k3s() {
    put_binary
    network
    configure
    [ "$(ls /var/lib/rancher/k3s/agent/images)" = busybox.tar ]
    serve k3s
}

# Every system image is asked for there, and nobody answers.
start_with_registry() {
    kubectl delete pod web --now --wait=true
    systemctl stop k3s
    # systemd keeps a unit, and its name, until the last of its processes has ended.
    serve k3s-again --system-default-registry=registry.invalid
    wait_for node_answers
    run_web
    sandbox_of web
    # containerd tells any one of an image's names, so that those are looked at which k3s asks and has it by.
    grep -q '"registry.invalid/.*pause' /var/lib/rancher/k3s/agent/etc/containerd/config.toml
    k3s ctr images list --quiet | grep -q '^registry.invalid/.*pause'
}

step systemd is_systemd
step k3s start_k3s
step node node_is_ready
step pod run_web
step sandbox look_at_sandbox
step registry start_with_registry
finish
