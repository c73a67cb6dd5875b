#!/bin/sh
# The packages of a real k3s, from their installation to their removal.
. /proof/say.sh
. /proof/cluster.sh

install_packages() {
    install_stub
    rpm_install /proof/packages/*.rpm
    rpm --verify k3s k3s-cli k3s-pause-image
    is_not_started
}

start_k3s() {
    network
    configure
    # This proof is of the pause inside k3s. The package of the cure has its own.
    rpm --erase k3s-pause-image
    is_packaged k3s
    systemctl enable k3s
    systemctl start k3s
}

tells_of_serving() { [ "$(kubectl logs web)" = serving ]; }
answers() { [ "$(kubectl exec web -- cat /www/index.html)" = 'answered by the pod' ]; }

look_around() {
    look_at_sandbox
    fact guest-memory-used "$(awk '/^MemTotal/ { t = $2 } /^MemAvailable/ { print t - $2, "KiB" }' /proc/meminfo)"
}

container() { kubectl get pod web --output 'jsonpath={.status.containerStatuses[0].containerID} {.status.containerStatuses[0].restartCount}'; }

# When the kubelet has last said that it lives. The server that is asked may not yet answer.
beat() { kubectl get lease guest --namespace kube-node-lease --output 'jsonpath={.spec.renewTime}'; }
note_beat() { last=$(beat) && [ -n "$last" ]; }
beats_again() {
    if now=$(beat) && [ -n "$now" ] && [ "$now" != "$last" ]; then return; fi
    sleep 5
    false
}

restart_k3s() {
    before=$(container)
    systemctl restart k3s
    # The API server remembers the node as Ready and the pod as Running: only what is newer than the end of the old
    # kubelet is said by the new one.
    wait_for note_beat
    wait_for beats_again
    wait_for answers
    wait_for in_phase web Running
    after=$(container)
    [ "$after" = "$before" ]
    # The sandbox is the process it was.
    [ "$(readlink "/proc/$pid/exe")" = /pause ]
}

# Told to end, its process ends by itself: killed after the grace period, it would have another status. A finalizer
# keeps what is known of the pod until it has been looked at.
delete_pod() {
    kubectl patch pod web --type merge --patch '{"metadata": {"finalizers": ["proof.local/looked-at"]}}'
    begin=$(cut -d . -f 1 /proc/uptime)
    kubectl delete pod web --wait=false
    waits '--for=jsonpath={.status.containerStatuses[0].state.terminated.exitCode}=0' pod/web
    fact deletion-seconds "$(($(cut -d . -f 1 /proc/uptime) - begin))"
    kubectl patch pod web --type merge --patch '{"metadata": {"finalizers": null}}'
    waits --for=delete pod/web
}

# What killall is to leave nothing of.
processes() {
    pgrep --list-full --full '^/pause$|containerd-shim|^/usr/bin/k3s|k3s-server|^containerd ' || :
    grep --files-with-matches kubepods /proc/[0-9]*/cgroup 2>/dev/null || :
}
mounts() { grep -E ' (/run/k3s|/run/netns/cni-|/var/lib/kubelet/pods)' /proc/mounts || :; }
interfaces() { ip -brief link show | grep -E '^(cni0|flannel|veth)' || :; }
rules() {
    iptables-save >/run/rules
    ip6tables-save >>/run/rules
    grep -E 'KUBE-|CNI-|FLANNEL|flannel' /run/rules || :
}

kill_all() {
    run_pod other 'sleep 1000'
    in_phase other Running
    # What cannot be seen before would not be missed afterwards.
    for kind in processes mounts interfaces rules; do
        found=$($kind)
        [ -n "$found" ]
    done
    k3s-killall.sh
    for kind in processes mounts interfaces rules; do
        found=$($kind)
        [ -z "$found" ]
    done
}

remove_packages() {
    rpm --erase k3s-cli k3s
    [ ! -e /usr/bin/k3s ]
    [ -s /var/lib/rancher/k3s/server/db/state.db ]
}

step systemd is_systemd
step packages install_packages
step k3s start_k3s
step node node_is_ready
step pod run_web
step logs wait_for tells_of_serving
step exec answers
step service ask_service
step sandbox look_around
step restart restart_k3s
step deletion delete_pod
step killall kill_all
step removed remove_packages
finish
