#!/bin/sh
# The sample's packages, whose k3s is a stub; its pause image in the guest's own containerd, by its own runc.
. /proof/say.sh

# Debian's own ctr, which is in no package that rpm knows of, and gives its place to that of k3s-cli.
ctr() { /run/ctr --namespace k8s.io "$@"; }

install_packages() {
    cp /usr/bin/ctr /run/ctr
    install_stub
    rpm_install /proof/packages/*.rpm
    rpm --verify k3s k3s-cli k3s-pause-image
    is_not_started
    [ "$(k3s --version | awk 'NR == 1 { print $3 }')" = "v$(rpm --query --queryformat '%{VERSION}' k3s)" ]
}

# unit NAME: systemd takes it from the package, and hears from it that it is ready.
unit() {
    is_packaged "$1"
    systemctl start "$1"
    systemctl --quiet is-active "$1"
}

start_units() {
    unit k3s
    echo 'OPTIONS="--server https://127.0.0.1:6443 --token proof"' >>/etc/sysconfig/k3s-agent
    unit k3s-agent
    # Either, never both.
    not systemctl --quiet is-active k3s
    systemctl stop k3s-agent
    not systemctl --quiet is-failed k3s-agent
}

import_pause() {
    systemctl start containerd
    # What k3s has put there is what its own containerd would import.
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
    # Inside it is the first process; outside it is this one.
    [ "$(awk '/^NSpid:/ { print $NF }' "/proc/$pid/status")" = 1 ]
    [ "$(awk '/^Uid:/ { print $3 }' "/proc/$pid/status")" = 65535 ]
    fact pause-rss "$(awk '/^VmRSS:/ { print $2, $3 }' "/proc/$pid/status")"
}

has_children() { [ "$(pgrep --parent "$pid" | wc -l)" = "$1" ]; }

reap_orphans() {
    # Their parent ends at once, and they belong to the first process of their namespace.
    nsenter --target "$pid" --pid sh -c 'sleep 1000 & sleep 1000 & sleep 1000 &'
    wait_for has_children 3
    pkill --parent "$pid"
    # An orphan that nobody reaps would stay, as a zombie, and one without its first process would be gone too.
    wait_for has_children 0
    is_in_state RUNNING
}

end_pause() {
    begin=$(cut -d ' ' -f 1 /proc/uptime)
    ctr tasks kill --signal SIGTERM pause
    wait_for is_in_state STOPPED
    fact sigterm-seconds "$(cut -d ' ' -f 1 /proc/uptime | awk -v begin="$begin" '{ print $1 - begin }')"
    # It ends with the status of the task.
    ctr tasks delete pause
}

remove_packages() {
    unit k3s
    echo kept >/var/lib/rancher/k3s/server/proof
    rpm --erase k3s-pause-image k3s-cli k3s
    [ ! -e /usr/bin/k3s ]
    [ ! -e /usr/lib/systemd/system/k3s.service ]
    not systemctl --quiet is-active k3s
    [ "$(cat /var/lib/rancher/k3s/server/proof)" = kept ]
}

step systemd is_systemd
step packages install_packages
step units start_units
step containerd import_pause
step pause run_pause
step orphans reap_orphans
step sigterm end_pause
step removed remove_packages
finish
