# A server and an agent from packages, each in a VM, with a network between them: from the first join to a second one after
# the node was removed. Both VMs run this script. The agent follows orders of the server, and the server has the milestones,
# since it sees in the API what the agent does.

server=10.0.2.15
orders=http://$server:8000

# The kernel may find the interface after the script has started.
configure_network() {
    wait_for [ -e /sys/class/net/eth0 ]
    add_network "$1"
}

# order NAME: publishes an order, by a file that the agent reads over the network.
order() { echo "$1" >/run/orders/agent; }
ask() { /scenario/busybox wget -q -O - "$orders/$1"; }
is_ordered() { [ "$(ask agent)" = "$1" ]; }
# Processes that are started every second would take much of an emulated processor.
wait_for_order() { until is_ordered "$1"; do sleep 5; done; }

# Reports the state of the agent when the server has failed.
follow_failure() {
    { set +x; } 2>/dev/null
    wait_for_order failed
    kill -STOP $$
    report_failure 'the server has failed'
}

# The file that the unit reads, as the documentation has it.
write_sysconfig() {
    cat >>/etc/sysconfig/k3s-agent <<EOF
K3S_URL="https://$server:6443"
K3S_TOKEN="$(ask token)"
EOF
}

run_agent() {
    configure_network 10.0.2.16
    follow_failure &
    install_stub
    install_server
    provide_image
    is_packaged k3s-agent

    wait_for_order join
    write_sysconfig
    systemctl enable --now k3s-agent

    wait_for_order stop
    are_found
    inspect_sandbox web
    report_memory k3s-agent
    pause=${image#docker.io/}
    systemctl stop k3s-agent
    [ "$(readlink "/proc/$pid/exe")" = /pause ]

    wait_for_order start
    systemctl start k3s-agent

    wait_for_order leave
    systemctl disable --now k3s-agent
    k3s-killall.sh
    are_gone

    # The command of the report that this project began with.
    wait_for_order join-again
    systemd-run --unit=by-hand --property=Delegate=yes --property=KillMode=process \
        k3s agent --pause-image="$pause" --server "https://$server:6443" --token "$(ask token)"

    wait_for_order finish
    inspect_sandbox web
    finish
}

start_k3s() {
    configure_network "$server"
    mkdir -p /run/orders
    order wait
    /scenario/busybox httpd -p "$server:8000" -h /run/orders
    install_stub
    install_server
    disable_add_ons
    provide_image
    systemctl enable --now k3s
    wait_for_node
    cp /var/lib/rancher/k3s/server/node-token /run/orders/token
}

# An agent's node is not there from the beginning.
agent_is_ready() { kubectl_wait --for=condition=Ready node/agent || { sleep 5; false; }; }
agent_is_unknown() { kubectl_wait --for=condition=Ready=Unknown node/agent; }

join() {
    order join
    wait_for agent_is_ready
}

on() { node_selector="kubernetes.io/hostname: $1"; }

run_pods() {
    on agent
    run_web
    on server
    run_pod other 'httpd -f -p 8080 -h /www'
    is_in_phase other Running
    report_memory k3s
}

pod_address() { kubectl get pod "$1" --output 'jsonpath={.status.podIP}'; }

# Each direction, by the address of the pod and by that of a service.
reach() {
    on server
    query to-agent "$(pod_address web):8080" "$(expose web)"
    on agent
    query to-server "$(pod_address other):8080" "$(expose other)"
}

machine_of() { kubectl exec "$1" -- uname -m; }

use_tunnel() {
    wait_for has_logs
    execs
    [ "$(machine_of web)" = riscv64 ]
    [ "$(machine_of other)" = "$server_machine" ]
    fact server-machine "$server_machine"
}

stop_agent() {
    before=$(web_container)
    order stop
    agent_is_unknown
}

start_agent() {
    order start
    wait_for agent_is_ready
    wait_for execs
    [ "$(web_container)" = "$before" ]
    on server
    query to-agent-again "$(pod_address web):8080"
}

drain() {
    kubectl drain agent --force --delete-emptydir-data --ignore-daemonsets
    not kubectl get pod web
    is_in_phase other Running
}

password() { kubectl get secret agent.node-password.k3s --namespace kube-system; }

remove() {
    password
    order leave
    agent_is_unknown
    kubectl delete node agent
    [ "$(kubectl get nodes --output name)" = node/server ]
    # k3s deletes it after the node, and would refuse another machine of this name with it.
    wait_for not password
}

join_again() {
    order join-again
    wait_for agent_is_ready
    on agent
    run_web
    wait_for execs
    order finish
}

if [ "$(cat /proc/sys/kernel/hostname)" = agent ]; then run_agent; fi
step server 1800 'the server runs from its packages, and its node is Ready' start_k3s
step agent 1500 'the agent runs from its packages, and its node is Ready' join
step pods 900 'a pod runs on each node' run_pods
step network 900 'each pod responds to a pod on the other node, by its address and by that of a service' reach
step tunnel 200 'kubectl logs and exec reach the pod on the agent' use_tunnel
step stopped 600 'the agent has been stopped, and its node is NotReady' stop_agent
step started 1200 'the agent is back, and its pod still runs, and responds to the other node' start_agent
step drained 600 'the node of the agent is drained' drain
step removed 900 'the agent has been stopped, without a trace, and its node is deleted' remove
step again 1500 'the agent joins by k3s agent --pause-image, and a pod runs on it' join_again
finish
