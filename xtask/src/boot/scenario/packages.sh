#!/bin/sh
# The packages of a real k3s, from their installation to their removal.
. /scenario/common.sh
. /scenario/cluster.sh

install_packages() {
    install_stub
    rpm_install /scenario/packages/*.rpm
    rpm --verify k3s k3s-cli k3s-cri-tools k3s-pause-image
    is_not_started
}

check_guest() {
    add_network
    check_node
}

start_k3s() {
    configure
    # This scenario tests the pause inside k3s. The pause-image package has a scenario of its own, and so have the
    # images of the package that a release has as well.
    rpm --erase k3s-pause-image
    if rpm --query --quiet k3s-airgap-images; then
        rpm --verify k3s-airgap-images
        rpm --erase k3s-airgap-images
    fi
    is_packaged k3s
    systemctl enable k3s
    systemctl start k3s
}

inspect() {
    check_sandbox
    report_memory k3s
}

# Prints the time of the kubelet's last heartbeat. It fails while the server does not answer.
heartbeat() { kubectl get lease guest --namespace kube-node-lease --output 'jsonpath={.spec.renewTime}'; }
save_heartbeat() { last=$(heartbeat) && [ -n "$last" ]; }
has_new_heartbeat() {
    if now=$(heartbeat) && [ -n "$now" ] && [ "$now" != "$last" ]; then return; fi
    sleep 5
    false
}

restart_k3s() {
    before=$(web_container)
    systemctl restart k3s
    # The API server remembers the node as Ready and the pod as Running. Only a status that is newer than the end of
    # the old kubelet comes from the new one.
    wait_for save_heartbeat
    wait_for has_new_heartbeat
    wait_for execs
    wait_for is_in_phase web Running
    after=$(web_container)
    [ "$after" = "$before" ]
    # The sandbox is still the same process.
    [ "$(readlink "/proc/$pid/exe")" = /pause ]
}

# The pod's process ends by itself on SIGTERM: killed after the grace period, it would have another exit code. A
# finalizer keeps the pod's status until it has been read.
delete_pod() {
    kubectl patch pod web --type merge --patch '{"metadata": {"finalizers": ["boot-test.local/status-read"]}}'
    begin=$(cut -d . -f 1 /proc/uptime)
    kubectl delete pod web --wait=false
    kubectl_wait '--for=jsonpath={.status.containerStatuses[0].state.terminated.exitCode}=0' pod/web
    fact deletion-seconds "$(($(cut -d . -f 1 /proc/uptime) - begin))"
    kubectl patch pod web --type merge --patch '{"metadata": {"finalizers": null}}'
    kubectl_wait --for=delete pod/web
}

kill_all() {
    run_pod other 'sleep 1000'
    is_in_phase other Running
    add_policy
    are_found
    k3s-killall.sh
    are_gone
    [ -z "$(sets)" ]
}

remove_packages() {
    rpm --erase k3s-cli k3s-cri-tools k3s
    [ ! -e /usr/bin/k3s ]
    [ -s /var/lib/rancher/k3s/server/db/state.db ]
}

step packages 300 'rpm has installed the packages with their scriptlets' install_packages
step check 300 'k3s-check finds nothing that keeps k3s from working' check_guest
step k3s 1200 'the packaged unit has started k3s' start_k3s
step node 600 'the node is Ready' wait_for_node
step pod 900 'a pod is Running' run_web
step logs 120 'kubectl logs prints its output' wait_for has_logs
step exec 120 'kubectl exec runs a command in it' execs
step service 700 'a service responds to a second pod' query_service
step sandbox 200 'its sandbox is our pause, under the patched name, as user 65535' inspect
step restart 1200 'k3s has been restarted, and the pod still runs' restart_k3s
step deletion 600 'the pod is deleted within its grace period' delete_pod
step killall 600 'k3s-killall.sh has left no process, mount, interface, rule or set' kill_all
step removed 120 'the packages are removed and the data is kept' remove_packages
finish
