#!/bin/sh
# A server on x86_64 and an agent on riscv64, whose pods have one image name. The server's VM has a registry with the image
# for both architectures, from which each node pulls its own.
. /scenario/common.sh
. /scenario/cluster.sh

server_machine=x86_64
pull_policy=IfNotPresent

provide_image() {
    use_registry 10.0.2.15:5000
    if [ "$(uname -m)" = "$server_machine" ]; then serve_registry 10.0.2.15:5000; fi
}

# server-and-agent.sh follows.
