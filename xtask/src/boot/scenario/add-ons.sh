# The add-ons of a node with nothing disabled: the end of the scenarios of such a node, which differ in the source of the
# images.
node_address=10.0.2.15
pod_image=$(cat /scenario/busybox-image)

# is_available DEPLOYMENT: waits in kube-system. A deployment may not exist yet.
is_available() {
    kubectl_wait --namespace kube-system --for=create "deployment/$1"
    kubectl_wait --namespace kube-system --for=condition=Available "deployment/$1"
}

# fetch URL...: prints a response, with options of wget before the URL.
fetch() { timeout 20 /scenario/busybox wget -q -T 10 -O - "$@"; }
responds() { [ "$(fetch "$@")" = 'response of the pod' ]; }

# The web server of the other scenarios, whose page this image does not have.
serve() {
    run_pod web 'trap "exit 0" TERM; mkdir /tmp/www; echo response of the pod >/tmp/www/index.html; httpd -p 8080 -h /tmp/www; while :; do sleep 1; done'
    is_in_phase web Running
}

# The service has the address that `query_service` has found. A name that does not exist has none.
resolve_names() {
    wait_for is_available coredns
    run_pod resolver "until nslookup -type=a web.default.svc.cluster.local; do sleep 2; done; until wget -q -O - http://web/; do sleep 2; done; nslookup -type=a absent.default.svc.cluster.local || echo no such name"
    is_in_phase resolver Succeeded
    kubectl logs resolver >/run/resolved
    grep -qx "Address: $address" /run/resolved
    grep -qx 'response of the pod' /run/resolved
    grep -qx 'no such name' /run/resolved
}

# run_volume_pod NAME COMMAND: runs a pod with the claim `data` at /data, to its end.
run_volume_pod() {
    kubectl apply --filename - <<YAML
apiVersion: v1
kind: Pod
metadata: {name: $1}
spec:
  restartPolicy: Never
  tolerations: [{operator: Exists}]
  containers:
    - name: busybox
      image: $pod_image
      command: [sh, -c, '$2']
      volumeMounts: [{name: data, mountPath: /data}]
  volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]
YAML
    is_in_phase "$1" Succeeded
}

keep_data() {
    wait_for is_available local-path-provisioner
    kubectl apply --filename - <<'YAML'
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 16Mi}}
YAML
    run_volume_pod writer 'echo kept >/data/file'
    kubectl delete pod writer
    [ "$(kubectl get pvc data --output 'jsonpath={.status.phase} {.spec.storageClassName}')" = 'Bound local-path' ]
    volume=$(kubectl get pvc data --output 'jsonpath={.spec.volumeName}')
    directory=$(kubectl get pv "$volume" --output 'jsonpath={.spec.hostPath.path}{.spec.local.path}')
    [ "$(cat "$directory/file")" = kept ]
    run_volume_pod reader 'cat /data/file'
    [ "$(kubectl logs reader)" = kept ]
}

remove_data() {
    [ -d "$directory" ]
    kubectl delete pod/reader pvc/data
    kubectl_wait --for=delete "pv/$volume"
    [ ! -e "$directory" ]
}

# balance RANGES: makes the web server a service at port 8080 of the node, for clients of these ranges, which are sorted.
balance() {
    kubectl apply --filename - <<YAML
apiVersion: v1
kind: Service
metadata: {name: balanced}
spec:
  type: LoadBalancer
  selector: {app: web}
  ports: [{port: 8080, targetPort: 8080}]
  loadBalancerSourceRanges: [$1]
YAML
    wait_for is_balanced "$1"
}

# is_balanced RANGES: checks that klipper-lb runs in one pod, the one with these ranges, and sets its address. k3s gives it
# the ranges in any order.
is_balanced() {
    found=$(kubectl get pods --namespace kube-system --selector svccontroller.k3s.cattle.io/svcname=balanced \
        --output 'jsonpath={range .items[*]}{.spec.containers[0].env[?(@.name=="SRC_RANGES")].value} {.status.phase} {.status.podIP};{end}')
    ranges=${found%% *}
    balancer=${found#"$ranges Running "}
    balancer=${balancer%;}
    if [ "$found" = "$ranges Running $balancer;" ] &&
        [ "$(echo "$ranges" | tr , '\n' | sort | tr '\n' ,)" = "$1," ]; then return; fi
    sleep 5
    false
}

has_address() {
    [ "$(kubectl get service balanced --output 'jsonpath={.status.loadBalancer.ingress[*].ip}')" = "$node_address" ] ||
        { sleep 5; false; }
}

# responds_to ADDRESS: the same from klipper-lb's pod, for a client at this address of the node.
responds_to() {
    ip route replace "$balancer" dev cni0 src "$1"
    responds "http://$balancer:8080/"
}

# On the node itself, the rules of kube-proxy precede those that lead to klipper-lb, so its pod is asked as well.
query_balancer() {
    balance 10.0.2.0/24,10.42.0.0/16
    wait_for has_address
    wait_for responds "http://$node_address:8080/"
    wait_for responds_to 10.42.0.1
    responds_to "$node_address"
}

refuse_source() {
    balance 10.42.0.0/16
    wait_for responds_to 10.42.0.1
    not responds_to "$node_address"
    not responds "http://$node_address:8080/"
    responds_to 10.42.0.1
    kubectl delete service balanced
}

# top KIND...: saves figures of `kubectl top`, once metrics-server has some.
top() {
    if kubectl top "$@" --no-headers >/run/top && [ -s /run/top ]; then return; fi
    sleep 10
    false
}

measure() {
    wait_for is_available metrics-server
    wait_for top nodes
    fact top-nodes "$(cat /run/top)"
    awk '$1 == "guest" && $2 + 0 > 0 && $4 + 0 > 0 { found = 1 } END { exit !found }' /run/top
    # The web server of the test is too small for a figure in MiB.
    wait_for top pods --namespace kube-system
    awk '$1 ~ "^coredns-" && $3 + 0 > 0 { found = 1 } END { exit !found }' /run/top
}

# releases NAMESPACE: prints the releases of Helm, each with its revision.
releases() { kubectl get secrets --namespace "$1" --selector owner=helm --output 'jsonpath={.items[*].metadata.name}'; }

# is_complete CHART: waits for the job of a chart, which the controller may replace meanwhile.
is_complete() {
    kubectl_wait --namespace kube-system --for=create "job/helm-install-$1"
    kubectl_wait --namespace kube-system --for=condition=Complete "job/helm-install-$1" || { sleep 5; false; }
}

install_traefik() {
    wait_for is_complete traefik-crd
    wait_for is_complete traefik
    releases=" $(releases kube-system) "
    for chart in traefik traefik-crd; do
        [ "${releases#*" sh.helm.release.v1.$chart.v"}" != "$releases" ]
    done
    wait_for is_available traefik
}

query_ingress() {
    kubectl apply --filename - <<'YAML'
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  rules:
    - host: web.example
      http:
        paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]
YAML
    wait_for responds --header 'Host: web.example' "http://$node_address/"
    not responds --header 'Host: other.example' "http://$node_address/"
    responds --header 'Host: web.example' "http://$node_address/"
}

# apply_chart VERSION TEXT: applies a chart of one ConfigMap, which is in the HelmChart itself. k3s puts it into a
# ConfigMap, from which the job of klipper-helm reads it.
apply_chart() {
    mkdir -p /run/charts/greeting/templates
    printf '%s\n' 'apiVersion: v2' 'name: greeting' "version: $1" >/run/charts/greeting/Chart.yaml
    cat >/run/charts/greeting/templates/greeting.yaml <<'YAML'
apiVersion: v1
kind: ConfigMap
metadata: {name: greeting}
data: {text: "{{ .Values.text }} {{ .Chart.Version }}"}
YAML
    /scenario/busybox tar -c -C /run/charts greeting | /scenario/busybox gzip >/run/greeting.tgz
    kubectl apply --filename - <<YAML
apiVersion: helm.cattle.io/v1
kind: HelmChart
metadata: {name: greeting}
spec:
  targetNamespace: default
  chartContent: $(base64 --wrap=0 /run/greeting.tgz)
  valuesContent: 'text: $2'
YAML
    wait_for is_greeting "$2 $1"
}

greeting() { kubectl get configmap greeting --ignore-not-found --output 'jsonpath={.data.text}'; }
is_greeting() { [ "$(greeting)" = "$1" ] || { sleep 5; false; }; }

change_chart() {
    apply_chart 2.0.0 changed
    releases=" $(releases default) "
    # Upgraded, not installed once more.
    [ "${releases#*' sh.helm.release.v1.greeting.v2 '}" != "$releases" ]
}

delete_chart() {
    kubectl delete helmchart greeting
    wait_for is_greeting ''
    [ -z "$(releases default)" ]
}

# Waits until every container runs, or has run to its end. There are at least the five add-ons, with the pod of
# klipper-lb for traefik and two jobs.
is_settled() {
    kubectl get pods --namespace kube-system --no-headers >/run/pods || return
    awk '{ split($2, ready, "/") }
        $3 != "Completed" && !($3 == "Running" && ready[1] == ready[2]) { bad = 1 }
        END { exit bad || NR < 7 }' /run/pods || { sleep 10; false; }
}

settle() {
    wait_for is_settled
    fact restarts "$(awk '$4 > 0 { printf "%s%s %s", separator, $1, $4; separator = ", " }' /run/pods)"
}

# images_of MESSAGE: prints the images that events with this message name.
images_of() { sed -n "s|^Pull.* $1 image \"\(docker.io/\)*\([^\"]*\)\".*|\2|p" /run/events | sort -u; }

# The kubelet's events say for each container whether its image was pulled or there already. A pull that fails has events
# of its own, and ends in BackOff. A container that is restarted with a delay has the same reason, but another message:
# the job of traefik's chart, until the job of its CRDs is complete, and on a slow host others, whose probes time out.
# k3s writes the configuration of the network, which makes the node Ready, before flannel has its subnet: the first pods
# may fail in between, and are tried again.
check_events() {
    kubectl get events --all-namespaces --output \
        'jsonpath={range .items[*]}{.reason} {.involvedObject.namespace}/{.involvedObject.name} {.message}{"\n"}{end}' >/run/events
    while read -r reference; do
        # Events do not name the pause image.
        case $reference in */pause:*) continue ;; esac
        grep -qE "^Pulled .*\"($reference|${reference#docker.io/})\" already present on machine" /run/events
    done </scenario/present.txt
    fact images-present "$(grep -c '^Pulled .* already present on machine' /run/events)"
    pulled=$(sed 's|^docker.io/||' /scenario/pulled.txt | sort)
    for message in 'Pulling' 'Successfully pulled'; do [ "$(images_of "$message")" = "$pulled" ]; done
    fact images-pulled "$(echo "$pulled" | tr '\n' ' ')"
    restarts='^BackOff [^ ]* Back-off restarting failed container'
    fact delayed-restarts "$(grep "$restarts" /run/events | cut -d ' ' -f 2 | tr '\n' ' ')"
    too_early="^FailedCreatePodSandBox .* failed to load flannel 'subnet.env' file"
    fact pods-before-flannel "$(grep "$too_early" /run/events | cut -d ' ' -f 2 | tr '\n' ' ')"
    grep -v -e "$restarts" -e "$too_early" /run/events >/run/other-events
    not grep -E '^(Failed|BackOff|FailedCreatePodSandBox) ' /run/other-events
}

# resident NAME: prints the memory of the processes of an add-on.
resident() { ps -eo rss,args | awk -v name="$1" '$2 ~ "(^|/)" name "$" { sum += $1 } END { print sum + 0 }'; }

report_add_ons() {
    report_memory k3s
    for name in coredns local-path-provisioner metrics-server traefik; do
        memory=$(resident "$name")
        [ "$memory" -gt 0 ]
        fact "$name-rss" "$memory KiB"
    done
    wait_for top pods --all-namespaces
    while read -r namespace pod _ memory; do fact "top-$namespace" "$pod $memory"; done </run/top
}

step pod 900 'a pod is Running' serve
step service 700 'a service responds to a second pod' query_service
step dns 1800 'coredns resolves the name of the service in a pod' resolve_names
step volume 1800 'a volume of local-path keeps its data when the pod ends' keep_data
step reclaim 600 'the volume is removed with its claim' remove_data
step balancer 900 'a LoadBalancer service responds at the address of the node, and klipper-lb itself' query_balancer
step sources 600 'clients outside its source ranges are refused' refuse_source
step metrics 900 'kubectl top prints figures of the node and its pods' measure
step traefik 2400 'the jobs of Helm have installed the two charts of traefik' install_traefik
step ingress 600 'an Ingress responds by the name of its host' query_ingress
step chart 900 'a HelmChart of the user is installed' apply_chart 1.0.0 installed
step upgrade 900 'it is changed' change_chart
step deletion 900 'it is deleted, with what it has installed' delete_chart
step pods 900 'every pod of kube-system is Running or Completed' settle
step events 120 'the expected images were pulled and no others, and no event reports a failure' check_events
step memory 300 'the memory of the node and of each add-on is known' report_add_ons
finish
