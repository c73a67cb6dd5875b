#!/bin/sh
# The cure, both halves, with a k3s that asks for the pause image which unmodified k3s asks for.
. /proof/say.sh
. /proof/cluster.sh

install_k3s() {
    install_stub
    rpm_install /proof/packages/k3s-[0-9]*.rpm
    is_packaged k3s
}

start_k3s() {
    network
    configure
    echo 'pause-image: rancher/mirrored-pause:3.6' >>/etc/rancher/k3s/config.yaml
    cat >/etc/rancher/k3s/registries.yaml <<'YAML'
mirrors:
  docker.io:
    endpoint: ["http://127.0.0.1:5000"]
YAML
    /proof/busybox httpd -p 127.0.0.1:5000 -h /proof/registry -c /proof/registry/httpd.conf
    systemctl start k3s
}

# A pod that does not start for another reason would show nothing.
is_refused() { kubectl describe pod web | grep -q 'no match for platform in manifest' || { sleep 10; false; }; }

# The name is what counts: k3s may have the very same image already, under the name it asks for by default.
list_images() { k3s ctr images list --quiet >/run/images; }
has_image() { grep -qx docker.io/rancher/mirrored-pause:3.6 /run/images; }

meet_the_defect() {
    run_pod web 'sleep 1000'
    wait_for is_refused
    [ "$(kubectl get pod web --output 'jsonpath={.status.phase}')" = Pending ]
    list_images
    not has_image
}

cure() {
    rpm_install /proof/packages/k3s-pause-image-*.rpm
    systemctl restart k3s
    # The server that is asked was started a moment ago.
    wait_for in_phase web Running
    list_images
    has_image
    sandbox_of web
}

step systemd is_systemd
step packages install_k3s
step k3s start_k3s
step node node_is_ready
step refused meet_the_defect
step cured cure
finish
