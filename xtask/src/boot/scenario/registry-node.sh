#!/bin/sh
# A node with nothing disabled, on the binary alone and a registry that has what upstream has: the images inside the
# binary for other architectures only.
. /scenario/common.sh
. /scenario/cluster.sh

images=/var/lib/rancher/k3s/agent/images

start_k3s() {
    install_binary
    add_network
    use_registry 127.0.0.1:5000
    serve_registry 127.0.0.1:5000
    [ ! -e "$images" ]
    start_server k3s
}

# Each file of images was staged by k3s, which has logged its size.
check_staged() {
    set -- "$images"/*
    [ $# = 2 ]
    [ "$2" = "$images/k3s-builtin-pause.tar" ]
    for file; do
        size=$(journalctl --unit=k3s --output=cat |
            sed -n "s|.*Staged built-in images in $file, which takes \(.*\) of disk.*|\1|p")
        [ -n "$size" ]
        fact staged "${file##*/} $size"
    done
}

# is_refused REFERENCE: checks that the registry has no such image for riscv64, or its presence would prove nothing.
is_refused() {
    not k3s crictl pull "$1" </dev/null 2>/run/refusal
    grep -q 'no match for platform in manifest' /run/refusal
}

wait_for_builtin_images() {
    wait_for_images
    check_staged
    while read -r reference; do is_refused "$reference"; done </scenario/present.txt
}

step k3s 1200 'the binary alone runs as a server with nothing disabled' start_k3s
step node 1800 'the node is Ready, and has the images that the registry does not have' wait_for_builtin_images
# add-ons.sh follows.
