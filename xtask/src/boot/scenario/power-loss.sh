#!/bin/sh
# A node that is rebooted, and whose power is then cut while it writes: the disk loses what it has not flushed. The script
# runs again at each boot; what it has to know then is on the command line of the kernel.
. /scenario/common.sh
. /scenario/cluster.sh

database=/var/lib/rancher/k3s/server/db/state.db
# The default of k3s, but for the last parameter: SQLite flushes its log to the disk at each commit.
endpoint="sqlite://$database?_journal=WAL&cache=shared&_busy_timeout=30000&_txlock=immediate&_synchronous=FULL"
# Every so many ConfigMaps there is a pod.
maps_per_pod=20

# The network of add_network, at each boot before k3s.
keep_network() {
    cat >/etc/systemd/system/boot-network.service <<'UNIT'
[Unit]
Before=k3s.service
[Service]
Type=oneshot
ExecStart=ip link add eth0 type dummy
ExecStart=ip address add 10.0.2.15/24 dev eth0
ExecStart=ip link set eth0 up
ExecStart=ip route add default via 10.0.2.2
[Install]
WantedBy=multi-user.target
UNIT
    systemctl enable --now boot-network
}

start_k3s() {
    keep_network
    install_stub
    install_server
    configure
    mkdir -p "${database%/*}"
    echo "datastore-endpoint: $endpoint" >>/etc/rancher/k3s/config.yaml
    systemctl enable --now k3s
    wait_for_node
    wait_for kubectl create deployment web --image="$pod_image" -- sh -c 'httpd -f -p 8080 -h /www'
    wait_for responds
}

# Neither the node nor the pod is what the API server remembers: the kubelet of this boot runs the command.
responds() {
    if [ "$(kubectl exec deployment/web -- cat /www/index.html)" = 'response of the pod' ]; then return; fi
    sleep 5
    false
}

come_back() {
    wait_for is_node_ready
    wait_for responds
    back=$(cut -d . -f 1 /proc/uptime)
}

reboot_node() {
    if [ -z "$(kept rebooted)" ]; then
        report keep rebooted yes
        reboot_guest
    fi
    come_back
    fact rebooted "the pod responds $back s after the boot"
}

# Prints the manifests of ConfigMaps and pods, without end. kubectl reads 4096 bytes before it looks at the first one.
objects() {
    printf '#%4096s\n' ''
    number=${maps:-0}
    while :; do
        number=$((number + 1))
        printf -- '---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: map-%s}}\n' "$number"
        [ $((number % maps_per_pod)) != 0 ] || cat <<YAML
---
apiVersion: v1
kind: Pod
metadata: {name: pod-$number}
spec:
  restartPolicy: Never
  containers: [{name: busybox, image: '$pod_image', imagePullPolicy: Never, command: [sh, -c, 'true']}]
YAML
        sleep 0.2
    done
}

# Writes until the power is cut. kubectl prints each object that the API server has acknowledged, and the host keeps its
# number. The time is different for each cut.
write_until_cut() {
    report keep cuts "$((cuts + 1))"
    report restart power-cut "$((15 + cuts * 7 % 20))"
    objects | kubectl create --validate=false --filename - | while read -r object _; do
        report keep "${object%%/*}" "${object##*-}"
    done
    false
}

# Checks that all that was acknowledged before a cut is there.
check_acknowledged() {
    come_back
    {
        seq -f 'configmap/map-%.0f' "${maps:-0}"
        seq -f 'pod/pod-%.0f' "$maps_per_pod" "$maps_per_pod" "${pods:-0}"
    } >/run/acknowledged
    kubectl get configmaps,pods --output name >/run/there
    lost=$(grep -cvxFf /run/there /run/acknowledged || :)
    integrity=$(sqlite3 "$database" 'PRAGMA integrity_check')
    fact "cut-$cuts" \
        "$(wc -l </run/acknowledged) acknowledged, $lost lost, integrity check $integrity, the pod responds $back s after the boot"
    [ "$lost" = 0 ]
    [ "$integrity" = ok ]
}

cut_power() {
    cuts=$(kept cuts)
    cuts=${cuts:-0}
    maps=$(kept configmap)
    pods=$(kept pod)
    if [ "$cuts" != 0 ]; then check_acknowledged; fi
    [ "$cuts" = "$(cat /scenario/power-cuts)" ] || write_until_cut
    [ -n "$pods" ]
    fact survived "$cuts of $cuts power cuts, with $maps ConfigMaps and $((pods / maps_per_pod)) pods"
}

step node 1800 'k3s runs from its packages, and a pod responds' start_k3s
step rebooted 1200 'after a reboot the pod responds again' reboot_node
step power-cuts 1200 'after each power cut, all that was acknowledged is there' cut_power
finish
