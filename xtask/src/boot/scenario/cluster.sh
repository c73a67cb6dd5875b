# What the proofs of a real k3s share.

kubectl() { k3s kubectl "$@"; }

# take_away PROGRAM...: of the distribution's, nothing is left to be found by these names.
take_away() {
    for program; do
        # Before it is asked again, the shell has to forget where it has found a program.
        while place=$(hash -r && command -v "$program"); do rm "$place"; done
    done
}

# The binary of the payload, where no package brings one.
put_binary() {
    [ "$(rpm --query k3s)" = 'package k3s is not installed' ]
    # k3s would take them, were they missing inside.
    take_away containerd containerd-shim-runc-v2 ctr runc
    cp /proof/k3s /usr/local/bin/k3s
    chmod 755 /usr/local/bin/k3s
}

# serve UNIT ARGUMENT...: a server by a unit that systemd makes for the occasion.
serve() {
    unit=$1
    shift
    systemd-run --unit="$unit" --collect --service-type=notify --property=KillMode=process --property=Delegate=yes \
        --property=TimeoutStartSec=infinity /usr/local/bin/k3s server "$@"
}

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
# It fails as long as there is no node at all.
node_answers() { waits --for=condition=Ready node --all || { sleep 5; false; }; }
in_phase() { waits "--for=jsonpath={.status.phase}=$2" "pod/$1"; }

node_is_ready() {
    wait_for node_answers
    fact k3s-rss "$(awk '/^VmRSS:/ { print $2, $3 }' "/proc/$(systemctl show --property MainPID --value k3s)/status")"
}

# run_pod NAME COMMAND: of busybox's image, with a label of its name, and with a volume in memory, which the kubelet
# has the program mount(8) make. The grace period is longer than even a busy emulator takes, and far shorter than the
# limit of the milestone that waits for it.
run_pod() { wait_for create_pod "$@"; }

# It is refused as long as there is no service account, not even for a pod that does without.
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
  containers:
    - name: busybox
      image: docker.io/proof/busybox:1
      imagePullPolicy: Never
      command: [sh, -c, '$2']
      volumeMounts: [{name: memory, mountPath: /memory}]
  volumes: [{name: memory, emptyDir: {medium: Memory}}]
YAML
}

# A web server that ends when it is told to: without a handler, process 1 would not hear of SIGTERM.
run_web() {
    run_pod web 'trap "exit 0" TERM; httpd -p 8080 -h /www; echo serving; while :; do sleep 1; done'
    in_phase web Running
}

# sandbox_of POD: its process, image and memory. It is pause, run by what k3s has brought along.
sandbox_of() {
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

# A sandbox of the patched name, where the host knows that from the product.
look_at_sandbox() {
    sandbox_of web
    if [ -e /proof/pause-image ]; then
        [ "${image#docker.io/}" = "$(cat /proof/pause-image)" ]
    else
        fact not-compared 'the name of the pause image: no manifest.json tells it'
    fi
}

# From a second pod: by the address of a service, which rules of iptables lead to the first.
ask_service() {
    kubectl apply --filename - <<'YAML'
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080}]
YAML
    address=$(kubectl get service web --output 'jsonpath={.spec.clusterIP}')
    run_pod client "until wget -q -O - http://$address/ 2>/dev/null; do sleep 1; done"
    in_phase client Succeeded
    [ "$(kubectl logs client)" = 'answered by the pod' ]
}
