# Functions for the scenarios of a real k3s.

kubectl() { k3s kubectl "$@"; }

# remove_commands NAME...: removes the distribution's commands of these names.
remove_commands() {
    for program; do
        # The shell caches the path of a command.
        while path=$(hash -r && command -v "$program"); do rm "$path"; done
    done
}

# The image of the pods.
pod_image=docker.io/boot-test/busybox:1.0
pull_policy=Never

# Installs the binary of the payload, without any package.
install_binary() {
    [ "$(rpm --query k3s)" = 'package k3s is not installed' ]
    # k3s would use the distribution's if its own were missing.
    remove_commands containerd containerd-shim-runc-v2 ctr runc
    cp /scenario/k3s /usr/local/bin/k3s
    chmod 755 /usr/local/bin/k3s
}

# start_server UNIT ARGUMENT...: runs a server in a transient unit.
start_server() {
    unit=$1
    shift
    systemd-run --unit="$unit" --collect --service-type=notify --property=KillMode=process --property=Delegate=yes \
        --property=TimeoutStartSec=infinity /usr/local/bin/k3s server "$@"
}

# Disables the add-ons, whose images the guest does not have, and the controller that would install them.
disable_add_ons() {
    mkdir -p /etc/rancher/k3s
    cat >/etc/rancher/k3s/config.yaml <<'YAML'
disable:
  - coredns
  - local-storage
  - metrics-server
  - servicelb
  - traefik
disable-helm-controller: true
YAML
}

# Gives the node the image of the pods as a file.
copy_image() {
    mkdir -p /var/lib/rancher/k3s/agent/images
    cp /scenario/busybox.tar /var/lib/rancher/k3s/agent/images/
}

# Configures a server without a registry.
configure() {
    disable_add_ons
    copy_image
}

# Installs k3s from packages, with its commands and without images.
install_server() {
    rpm_install /scenario/packages/k3s-[0-9]*.rpm /scenario/packages/k3s-cli-*.rpm /scenario/packages/k3s-cri-tools-*.rpm
}

# use_registry ADDRESS: makes k3s ask a registry in place of docker.io.
use_registry() {
    mkdir -p /etc/rancher/k3s
    cat >/etc/rancher/k3s/registries.yaml <<YAML
mirrors:
  docker.io:
    endpoint: ["http://$1"]
YAML
}

# serve_registry ADDRESS: serves the registry of the payload.
serve_registry() { /scenario/busybox httpd -p "$1" -h /scenario/registry -c /scenario/registry/httpd.conf; }

# One kubectl that waits costs little. One that is started every second would leave no processor time to k3s, since
# each start takes seconds under emulation.
kubectl_wait() { kubectl wait --timeout=1h "$@"; }
# `kubectl wait` fails while there is no node at all.
is_node_ready() { kubectl_wait --for=condition=Ready node --all || { sleep 5; false; }; }
is_in_phase() { kubectl_wait "--for=jsonpath={.status.phase}=$2" "pod/$1"; }

wait_for_node() {
    wait_for is_node_ready
    report_memory k3s
}

# report_memory UNIT: reports the memory in use, and what k3s has resident: when the node is Ready, and later with pods.
report_memory() {
    fact k3s-rss "$(awk '/^VmRSS:/ { print $2, $3 }' "/proc/$(systemctl show --property MainPID --value "$1")/status")"
    fact guest-memory-used "$(awk '/^MemTotal/ { t = $2 } /^MemAvailable/ { print t - $2, "KiB" }' /proc/meminfo)"
}

# Images of files are imported before the kubelet starts.
wait_for_images() {
    wait_for_node
    k3s ctr images list --quiet >/run/images
    while read -r reference; do grep -qxF "$reference" /run/images; done </scenario/present.txt
}

# The nodes that pods may run on: any.
node_selector=

# run_pod NAME COMMAND: runs a pod with the busybox image, a label of its name, and a volume in memory, which the
# kubelet mounts with mount(8). The grace period is longer than even a busy emulator takes, and far shorter than the
# timeout of the milestone that waits for the deletion. The pod is not evicted: a node whose emulator gets too little
# processor time is NotReady for minutes.
run_pod() { wait_for create_pod "$@"; }

# A pod is refused until there is a service account, even if it does not use it.
create_pod() {
    kubectl apply --filename - <<YAML || { sleep 10; false; }
apiVersion: v1
kind: Pod
metadata:
  name: $1
  labels: {app: $1}
spec:
  restartPolicy: Never
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 120
  tolerations: [{operator: Exists}]
  nodeSelector: {$node_selector}
  containers:
    - name: busybox
      image: $pod_image
      imagePullPolicy: $pull_policy
      command: [sh, -c, '$2']
      volumeMounts: [{name: memory, mountPath: /memory}]
  volumes: [{name: memory, emptyDir: {medium: Memory}}]
YAML
}

# Runs a web server that handles SIGTERM: process 1 ignores it without a handler.
run_web() {
    run_pod web 'trap "exit 0" TERM; httpd -p 8080 -h /www; echo serving; while :; do sleep 1; done'
    is_in_phase web Running
}

# inspect_sandbox POD: sets `id`, `image` and `pid`, and checks that the process is pause, run by the shim of k3s.
inspect_sandbox() {
    id=$(k3s crictl pods --name "$1" --quiet | head -n 1)
    image=$(k3s ctr containers list | awk -v id="$id" '$1 == id { print $2 }')
    pid=$(k3s ctr tasks list | awk -v id="$id" '$1 == id { print $2 }')
    [ "$(readlink "/proc/$pid/exe")" = /pause ]
    shim=$(readlink "/proc/$(awk '/^PPid:/ { print $2 }' "/proc/$pid/status")/exe")
    [ "${shim#/var/lib/rancher/k3s/data/}" != "$shim" ]
    [ "$(awk '/^Uid:/ { print $3 }' "/proc/$pid/status")" = 65535 ]
    fact sandbox-image "$image"
    fact pause-rss "$(awk '/^VmRSS:/ { print $2, $3 }' "/proc/$pid/status")"
}

# Checks that the sandbox has the patched name, if the host knows that name from the product.
check_sandbox() {
    inspect_sandbox web
    if [ -e /scenario/pause-image ]; then
        [ "${image#docker.io/}" = "$(cat /scenario/pause-image)" ]
    else
        fact not-compared 'the name of the pause image: there is no manifest.json with it'
    fi
}

# Prints a container's ID, and how often it was started again.
web_container() {
    kubectl get pod web --output \
        'jsonpath={.status.containerStatuses[0].containerID} {.status.containerStatuses[0].restartCount}'
}
has_logs() { [ "$(kubectl logs web)" = serving ]; }
execs() { [ "$(kubectl exec web -- cat /www/index.html)" = 'response of the pod' ]; }

# expose POD: prints the address of a new service, which iptables rules translate into that of a pod's web server.
expose() { kubectl expose pod "$1" --port=80 --target-port=8080 --output='jsonpath={.spec.clusterIP}'; }

# query CLIENT ADDRESS...: queries web servers from a new pod.
query() {
    client=$1
    shift
    run_pod "$client" "for it in $*; do until wget -q -O - http://\$it/ 2>/dev/null; do sleep 1; done; done"
    is_in_phase "$client" Succeeded
    for _; do echo 'response of the pod'; done >/run/responses
    kubectl logs "$client" | cmp - /run/responses
}

query_service() {
    address=$(expose web)
    query client "$address"
}

# kube-router keeps the addresses that a network policy selects in sets, beside its rules.
sets() { ipset list -name | grep -E '^(inet6:)?KUBE-' || :; }
has_sets() { [ -n "$(sets)" ]; }

add_policy() {
    kubectl apply --filename - <<'YAML'
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: boot-test}
spec:
  podSelector: {}
  ingress: [{from: [{podSelector: {matchLabels: {app: client}}}]}]
YAML
    wait_for has_sets
}

# Lists of what killall has to remove.
processes() {
    pgrep --list-full --full '^/pause$|containerd-shim.* /run/k3s/|^/usr/(local/)?bin/k3s|k3s-server|^containerd ' || :
    grep --files-with-matches kubepods /proc/[0-9]*/cgroup 2>/dev/null || :
}
mounts() { grep -E ' (/run/k3s|/run/netns/cni-|/var/lib/kubelet/pods)' /proc/mounts || :; }
interfaces() { ip -brief link show | grep -E '^(cni0|flannel|veth)' || :; }
rules() {
    iptables-save >/run/rules
    ip6tables-save >>/run/rules
    grep -E 'KUBE-|CNI-|FLANNEL|flannel' /run/rules || :
}

# A list that is empty before would not show a removal.
are_found() {
    for kind in processes mounts interfaces rules; do
        found=$($kind)
        [ -n "$found" ]
    done
}

are_gone() {
    for kind in processes mounts interfaces rules; do
        found=$($kind)
        [ -z "$found" ]
    done
}
