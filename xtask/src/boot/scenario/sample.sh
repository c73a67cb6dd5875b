#!/bin/sh
# The sample's packages, whose k3s is a stub, and its pause image in the guest's own containerd and runc.
. /scenario/common.sh

# Runs Debian's own ctr. rpm does not know it, so the ctr of k3s-cri-tools replaces it.
ctr() { /run/ctr --namespace k8s.io "$@"; }

install_packages() {
    cp /usr/bin/ctr /run/ctr
    install_stub
    rpm_install /scenario/packages/*.rpm
    rpm --verify k3s k3s-cli k3s-cri-tools k3s-pause-image
    is_not_started
    cp /usr/bin/k3s /run/k3s
    [ "$(k3s --version | awk 'NR == 1 { print $3 }')" = "v$(rpm --query --queryformat '%{VERSION}' k3s)" ]
}

# Checks the guest as it is: it has no bundle of images, for one.
check_guest() {
    add_network
    check_node
    usual=$found
}

# finds_also CHECK [COMMAND...]: checks that k3s-check, run by the command, finds this and what it usually finds.
finds_also() {
    check=$1
    shift
    find_problems "$@"
    [ "$found" = "$(printf '%s\n' "$usual" "$check" | sed '/^$/d' | sort)" ]
}

remove_module() {
    modprobe --remove vxlan
    module=$(modinfo --field filename vxlan)
    mv "$module" /run/
    finds_also vxlan
    [ "$status" = 2 ]
    mv "/run/${module##*/}" "$module"
}

change_clock() {
    now=$(date +%s)
    date --set=1970-01-02
    finds_also clock
    [ "$status" = 1 ]
    date --set="@$now"
}

throttle_disk() {
    finds_also fsync systemd-run --quiet --wait --pipe --property='IOWriteIOPSMax=/var/lib 5'
    [ "$status" = 2 ]
}

# start_unit NAME: starts a packaged unit, which notifies systemd when it is ready.
start_unit() {
    is_packaged "$1"
    systemctl start "$1"
    systemctl --quiet is-active "$1"
}

# is_refused NAME: checks that a packaged unit does not start, and is not tried again.
is_refused() {
    not systemctl start "$1"
    [ "$(systemctl show --property ActiveState --value "$1")" = inactive ]
    [ "$(systemctl show --property NRestarts --value "$1")" = 0 ]
    journalctl --unit="k3s-start-check@$1" --output=cat | grep -q 'not started'
}

start_units() {
    start_unit k3s
    record=/var/lib/rancher/k3s/rpm-version
    [ "v$(rpm --query --queryformat '%{VERSION}' k3s)" = "$(cat "$record")" ]
    systemctl stop k3s
    echo v0.30.0+k3s1 >"$record"
    is_refused k3s
    rm "$record"
    start_unit k3s
    is_refused k3s-agent
    echo 'OPTIONS="--server https://127.0.0.1:6443 --token test"' >>/etc/sysconfig/k3s-agent
    start_unit k3s-agent
    # The two units conflict.
    not systemctl --quiet is-active k3s
    systemctl stop k3s-agent
    not systemctl --quiet is-failed k3s-agent
}

import_pause() {
    systemctl start containerd
    # The containerd of k3s would import this file of k3s.
    ctr images import /var/lib/rancher/k3s/agent/images/k3s-builtin-pause.tar
    image=$(ctr images list --quiet | head -n 1)
    fact image "$image"
}

status() { ctr tasks list | awk -v name="$1" '$1 == name { print $3 }'; }
is_in_state() { [ "$(status pause)" = "$1" ]; }

run_pause() {
    ctr run --detach "$image" pause
    wait_for is_in_state RUNNING
    pid=$(ctr tasks list | awk '$1 == "pause" { print $2 }')
    # The PID in the container, after those in the outer namespaces.
    [ "$(awk '/^NSpid:/ { print $NF }' "/proc/$pid/status")" = 1 ]
    [ "$(awk '/^Uid:/ { print $3 }' "/proc/$pid/status")" = 65535 ]
    fact pause-rss "$(awk '/^VmRSS:/ { print $2, $3 }' "/proc/$pid/status")"
}

has_children() { [ "$(pgrep --parent "$pid" | wc -l)" = "$1" ]; }

reap_orphans() {
    # Their parent ends at once, and process 1 of their namespace adopts them.
    nsenter --target "$pid" --pid sh -c 'sleep 1000 & sleep 1000 & sleep 1000 &'
    wait_for has_children 3
    pkill --parent "$pid"
    # An orphan that is not reaped would stay as a zombie. If pause had ended, they would be gone as well.
    wait_for has_children 0
    is_in_state RUNNING
}

end_pause() {
    begin=$(cut -d ' ' -f 1 /proc/uptime)
    ctr tasks kill --signal SIGTERM pause
    wait_for is_in_state STOPPED
    fact sigterm-seconds "$(cut -d ' ' -f 1 /proc/uptime | awk -v begin="$begin" '{ print $1 - begin }')"
    # Fails if the exit status of the task is not 0.
    ctr tasks delete pause
}

remove_packages() {
    start_unit k3s
    echo kept >/var/lib/rancher/k3s/server/boot-test
    rpm --erase k3s-pause-image k3s-cli k3s-cri-tools k3s
    [ ! -e /usr/bin/k3s ]
    [ ! -e /usr/lib/systemd/system/k3s.service ]
    not systemctl --quiet is-active k3s
    [ "$(cat /var/lib/rancher/k3s/server/boot-test)" = kept ]
}

install_by_script() {
    install -m 0755 /run/k3s /usr/local/bin/k3s
    run_installer
}

step packages 300 'rpm has installed the packages with their scriptlets' install_packages
step check 300 'k3s-check finds nothing that keeps k3s from working' check_guest
step module 300 'it finds a kernel module that is missing' remove_module
step clock 300 'it finds a clock in 1970' change_clock
step disk 300 'it finds a disk that is slow' throttle_disk
step units 120 'systemd has started the packaged units, and none that cannot succeed' start_units
step containerd 120 'containerd of the guest has imported the pause image' import_pause
step pause 60 'pause is process 1 of a container, as user 65535' run_pause
step orphans 60 'its orphans are reaped' reap_orphans
step sigterm 60 'it ends on SIGTERM' end_pause
step removed 120 'the packages are removed and the data is kept' remove_packages
step installer 120 'install.sh has installed the binary as a service and started it' install_by_script
step uninstalled 60 'k3s-uninstall.sh has removed it' uninstall
finish
