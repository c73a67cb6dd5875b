# What the proofs of a real k3s share.

kubectl() { k3s kubectl "$@"; }

# What a server without a registry is told: addons, whose images there are none of, are left out.
configure() {
    mkdir -p /etc/rancher/k3s /var/lib/rancher/k3s/agent/images
    cat >/etc/rancher/k3s/config.yaml <<'YAML'
disable:
  - coredns
  - local-storage
  - metrics-server
  - servicelb
  - traefik
YAML
    cp /proof/busybox.tar /var/lib/rancher/k3s/agent/images/
}

is_ready() { kubectl get nodes --no-headers | grep -qw Ready; }

node_is_ready() {
    wait_for is_ready
    fact k3s-rss "$(resident k3s-server)"
}

# resident NAME: of the process that calls itself so, and of no child.
resident() { ps -eo rss,args | awk -v name="$1" 'index($0, "awk") == 0 && ($2 ~ name || $2 " " $3 ~ name) { if ($1 > most) most = $1 } END { print most, "KiB" }'; }

has_account() { kubectl get serviceaccount default; }
is_in_phase() { [ "$(kubectl get pod "$1" --output 'jsonpath={.status.phase}')" = "$2" ]; }

# run_pod NAME COMMAND: of busybox's image, with a label of its name.
run_pod() {
    wait_for has_account
    kubectl apply --filename - <<YAML
apiVersion: v1
kind: Pod
metadata:
  name: $1
  labels: {app: $1}
spec:
  restartPolicy: Never
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 30
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
    wait_for is_in_phase web Running
}

# sandbox_of POD: its process, image and memory, held against the patched name.
sandbox_of() {
    id=$(k3s crictl pods --name "$1" --quiet | head -n 1)
    k3s crictl inspectp "$id" >/run/sandbox.json
    pid=$(sed -n 's/^ *"pid": \([0-9]*\),*$/\1/p' /run/sandbox.json | head -n 1)
    [ "$(readlink "/proc/$pid/exe")" = /pause ]
    [ "$(awk '/^Uid:/ { print $3 }' "/proc/$pid/status")" = 65535 ]
    image=$(sed -n 's/^ *"image": "\([^"]*\)",*$/\1/p' /run/sandbox.json | head -n 1)
    fact sandbox-image "$image"
    fact pause-rss "$(awk '/^VmRSS:/ { print $2, $3 }' "/proc/$pid/status")"
}
