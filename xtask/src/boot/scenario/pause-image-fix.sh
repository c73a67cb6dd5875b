#!/bin/sh
# The package with the pause image fixes a k3s that uses upstream's default pause image.
. /scenario/common.sh
. /scenario/cluster.sh

install_k3s() {
    install_stub
    rpm_install /scenario/packages/k3s-[0-9]*.rpm
    is_packaged k3s
}

start_k3s() {
    add_network
    configure
    echo 'pause-image: rancher/mirrored-pause:3.6' >>/etc/rancher/k3s/config.yaml
    use_registry 127.0.0.1:5000
    serve_registry 127.0.0.1:5000
    systemctl start k3s
}

# A pod that does not start for another reason would prove nothing.
is_refused() { kubectl describe pod web | grep -q 'no match for platform in manifest' || { sleep 10; false; }; }

# Only the name counts: k3s may have the same image under its own default name.
list_images() { k3s ctr images list --quiet >/run/images; }
has_image() { grep -qx docker.io/rancher/mirrored-pause:3.6 /run/images; }

reproduce_problem() {
    run_pod web 'sleep 1000'
    wait_for is_refused
    [ "$(kubectl get pod web --output 'jsonpath={.status.phase}')" = Pending ]
    list_images
    not has_image
}

install_fix() {
    rpm_install /scenario/packages/k3s-pause-image-*.rpm
    systemctl restart k3s
    # The server has just started and may not answer yet.
    wait_for is_in_phase web Running
    list_images
    has_image
    inspect_sandbox web
}

step packages 300 'rpm has installed k3s, configured with another pause image' install_k3s
step k3s 1200 'the packaged unit has started it' start_k3s
step node 600 'the node is Ready' wait_for_node
step refused 800 'the pod is Pending, since its registry has that image for other platforms only' reproduce_problem
step fixed 1500 'the package with the pause image is installed, and the same pod runs' install_fix
finish
