#!/bin/sh
# The binary alone on a host with cgroup v1, where upstream's kubelet of v1.35 and later does not start.
. /scenario/common.sh
. /scenario/cluster.sh

controllers='cpu cpuacct cpuset memory pids'

# In the legacy hierarchy /sys/fs/cgroup is no cgroup file system, and the controllers are mounted below it.
check_hierarchy() {
    fact cgroup-mounts "$(findmnt --noheadings --list --output FSTYPE,TARGET --types cgroup,cgroup2 | tr -s " \n" " ")"
    [ "$(findmnt --noheadings --output FSTYPE /sys/fs/cgroup)" = tmpfs ]
    for controller in $controllers; do
        findmnt --noheadings --types cgroup --options "$controller"
    done
    fact v1-controllers "$(awk '$4 == 1' /proc/cgroups | wc -l)"
}

# An argument of the user's wins over our patch. So this shows what happens without it, and on which hosts.
has_refused() {
    not systemctl --quiet is-active refused &&
        journalctl --unit=refused --output=cat --no-pager >/run/refused &&
        grep -q 'kubelet is configured to not run on a host using cgroup v1' /run/refused
}

refuse() {
    add_network
    install_binary
    configure
    start_server refused --kubelet-arg=fail-cgroupv1=true || :
    wait_for has_refused
}

start_k3s() { start_server k3s; }

# The processes of a pod are in a cgroup of their own below each controller.
check_cgroups() {
    inspect_sandbox web
    for controller in $controllers; do
        grep -E "^[0-9]+:([^:]*,)?$controller(,[^:]*)?:/kubepods" "/proc/$pid/cgroup"
    done
}

# The log has one warning, with the argument of the kernel that selects cgroup v2.
check_warning() {
    journalctl --unit=k3s --output=cat --no-pager | grep 'uses cgroup v1' >/run/warnings
    [ "$(wc -l </run/warnings)" = 1 ]
    grep -q systemd.unified_cgroup_hierarchy=1 /run/warnings
}

# k3s-check names the hierarchy, and no controller that is missing.
check_node_on_v1() {
    find_problems
    [ "$status" = 2 ]
    [ "$(echo "$found" | grep '^cgroup')" = cgroup ]
    fact k3s-check "$(tail -n 1 /run/k3s-check)"
}

step hierarchy 60 'the legacy hierarchy has the controllers of cgroup v1' check_hierarchy
step refused 1200 'a kubelet with fail-cgroupv1=true, as upstream has it, does not start' refuse
step k3s 1200 'k3s as it is starts as a server' start_k3s
step node 600 'the node is Ready' wait_for_node
step pod 900 'a pod is Running' run_web
step cgroups 200 'its sandbox is in the cgroups of each controller' check_cgroups
step warning 60 'the log has one warning about cgroup v1' check_warning
step check 300 'k3s-check names cgroup v1, and no missing controller' check_node_on_v1
finish
