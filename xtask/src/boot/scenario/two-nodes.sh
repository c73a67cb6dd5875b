#!/bin/sh
# A server and an agent of one architecture, each in a VM, whose image of the pods is a file on each node.
. /scenario/common.sh
. /scenario/cluster.sh

server_machine=riscv64

provide_image() { copy_image; }

# server-and-agent.sh follows.
