#!/bin/sh
# A node whose disk is as slow as an SD card.
. /scenario/common.sh
. /scenario/cluster.sh

uptime() { cut -d . -f 1 /proc/uptime; }

install_packages() {
    add_network
    install_stub
    begin=$(uptime)
    install_server
    sync
    fact installation "$(($(uptime) - begin)) s"
    configure
}

# The unit has no time limit, and systemd waits until k3s is ready.
start_k3s() {
    begin=$(uptime)
    systemctl start k3s
    fact unit-active "$(($(uptime) - begin)) s"
    wait_for_node
    fact node-ready "$(($(uptime) - begin)) s"
}

run_pods() {
    run_web
    fact pod-running "$(($(uptime) - begin)) s"
    query_service
}

# count PATTERN: prints how many lines of k3s' journal match.
count() { journalctl --unit=k3s --output=cat | grep -Ec "$1" || :; }

# k3s ends, and is started again, when it loses an election or waits for something for too long.
check_timeouts() {
    fact slow-sql "$(count 'Slow SQL') statements of 1 s and more"
    fact deadlines "$(count 'context deadline exceeded') lines of the journal with an exceeded deadline"
    fact written "$(awk '$3 == "vda" { print int($10 / 2048) }' /proc/diskstats) MiB"
    [ "$(count 'leaderelection lost|leader election lost|level=fatal')" = 0 ]
    [ "$(systemctl show --property NRestarts --value k3s)" = 0 ]
    systemctl --quiet is-active k3s
}

step packages 600 'rpm has installed the packages' install_packages
step node 1800 'k3s runs, and the node is Ready' start_k3s
step pods 1200 'a pod is Running, and its service responds to another one' run_pods
step timeouts 120 'k3s was never started again, and lost no election' check_timeouts
finish
