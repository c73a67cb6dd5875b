#!/bin/sh
# The installer from files alone, without a package and without a network, and its uninstall script.
. /scenario/common.sh
. /scenario/cluster.sh

start_k3s() {
    install_binary
    add_network
    configure
    run_installer
}

main_pid() { systemctl show --property MainPID --value k3s; }

run_again() {
    before=$(main_pid)
    run_installer
    [ "$(main_pid)" = "$before" ]
}

remove_everything() {
    are_found
    uninstall
    are_gone
}

step k3s 1200 'install.sh has installed the binary as a service and started it' start_k3s
step node 600 'the node is Ready' wait_for_node
step pod 900 'a pod is Running' run_web
step sandbox 200 'its sandbox is the pause inside the binary' check_sandbox
step again 300 'a second run of install.sh restarts nothing' run_again
step uninstalled 900 'k3s-uninstall.sh has left no file, process, mount, interface or rule' remove_everything
finish
