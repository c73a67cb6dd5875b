# What the proofs of a real k3s share.

kubectl() { k3s kubectl "$@"; }

# What a server without a registry is told: addons, whose images there are none of, are left out, and what
# would install them.
configure() {
    mkdir -p /etc/rancher/k3s /var/lib/rancher/k3s/agent/images
    cat >/etc/rancher/k3s/config.yaml <<'YAML'
disable:
  - coredns
  - local-storage
  - metrics-server
  - servicelb
  - traefik
disable-helm-controller: true
YAML
    cp /proof/busybox.tar /var/lib/rancher/k3s/agent/images/
}

# A kubectl that waits costs little; one that is started every second would leave nothing for k3s, since each
# start takes seconds under emulation.
waits() { kubectl wait --timeout=1h "$@"; }
node_answers() { waits --for=condition=Ready node --all; }
in_phase() { waits "--for=jsonpath={.status.phase}=$2" "pod/$1"; }

node_is_ready() {
    wait_for node_answers
    fact k3s-rss "$(awk '/^VmRSS:/ { print $2, $3 }' "/proc/$(systemctl show --property MainPID --value k3s)/status")"
}

# run_pod NAME COMMAND: of busybox's image, with a label of its name. The grace period is longer than even a busy
# emulator takes, and far shorter than the limit of the milestone that waits for it.
run_pod() {
    waits --for=create serviceaccount/default
    kubectl apply --filename - <<YAML
apiVersion: v1
kind: Pod
metadata:
  name: $1
  labels: {app: $1}
spec:
  restartPolicy: Never
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 120
  containers:
    - name: busybox
      image: docker.io/proof/busybox:1
      imagePullPolicy: Never
      command: [sh, -c, '$2']
YAML
}

# A web server that ends when it is told to: without a handler, process 1 would not hear of SIGTERM.
run_web() {
    run_pod web 'trap "exit 0" TERM; httpd -p 8080 -h /www; echo serving; while :; do sleep 1; done'
    in_phase web Running
}

# sandbox_of POD: its process, image and memory, held against the patched name.
sandbox_of() {
    id=$(k3s crictl pods --name "$1" --quiet | head -n 1)
    image=$(k3s ctr containers list | awk -v id="$id" '$1 == id { print $2 }')
    pid=$(k3s ctr tasks list | awk -v id="$id" '$1 == id { print $2 }')
    [ "$(readlink "/proc/$pid/exe")" = /pause ]
    [ "$(awk '/^Uid:/ { print $3 }' "/proc/$pid/status")" = 65535 ]
    fact sandbox-image "$image"
    fact pause-rss "$(awk '/^VmRSS:/ { print $2, $3 }' "/proc/$pid/status")"
}
