#!/bin/sh
# Upgrades from the repository of a release, one minor at a time, and back by one; before that, from the layout of
# openEuler's own k3s 1.24.2. rpm does what the documented dnf commands do: the guest has no dnf.
. /scenario/common.sh
. /scenario/cluster.sh

documents=/usr/share/doc/k3s
state=/var/lib/rancher/k3s
backup=/root/k3s-backup
# Minors of v1, one a line, up to that under test.
oldest=$(head -n 1 /scenario/minors)
newest=$(tail -n 1 /scenario/minors)
between=$(sed '1d;$d' /scenario/minors)
before_newest=$(tail -n 2 /scenario/minors | head -n 1)

# change_to MINOR NAME...: installs the packages of a minor, in place of newer or older ones.
change_to() {
    minor=$1
    shift
    for name; do
        set -- "$@" "/scenario/repository/riscv64/$name-1.$minor."*.rpm
        shift
    done
    status=0
    rpm_change --upgrade --oldpackage "$@" >/run/transaction 2>&1 || status=$?
    cat /run/transaction >/dev/console
    [ "$status" = 0 ]
}

main_pid() { systemctl show --property MainPID --value k3s; }
# Lines of a file, which need not exist yet.
count_lines() { { cat "$1" 2>/dev/null || :; } | wc -l; }

# The binary of this package is a stub. Its installer is upstream's, which writes a unit, links and scripts.
install_openeuler() {
    install_stub
    # They would be taken for links of the installer.
    remove_commands containerd containerd-shim-runc-v2 ctr runc
    rpm_install /scenario/k3s-1.24.2*.rpm
    INSTALL_K3S_SKIP_DOWNLOAD=true k3s-install.sh
    systemctl --quiet is-active k3s
    [ "$(readlink /usr/local/bin/kubectl)" = k3s ]
    [ "$(/usr/local/bin/kubectl --version)" = 'k3s version v1.24.2-rc1+k3s2' ]
    [ -s "$state/server/data-of-1.24.2" ]
}

replace_openeuler() {
    running=$(main_pid)
    change_to "$oldest" k3s
    grep -q "linked /usr/local/bin/k3s.*$documents/UPGRADE.md" /run/transaction
    for script in k3s-killall.sh k3s-uninstall.sh; do
        grep -q "/usr/local/bin/$script was written by upstream's installer" /run/transaction
    done
    [ "$(readlink /usr/local/bin/k3s)" = ../../bin/k3s ]
    [ "$(main_pid)" = "$running" ]
    [ -s "$state/server/data-of-1.24.2" ]
}

# The documented steps: empty the node, let the packaged unit take over, and have the commands from packages.
migrate() {
    /usr/bin/k3s-uninstall.sh --yes
    [ ! -e "$state/server" ]
    add_network
    configure
    hash -r
    INSTALL_K3S_SKIP_DOWNLOAD=true k3s-install.sh
    is_packaged k3s
    systemctl --quiet is-enabled k3s
    [ -e /etc/systemd/system/k3s.service.saved ]
    for script in k3s-killall.sh k3s-uninstall.sh; do
        [ "$(command -v "$script")" = "/usr/bin/$script" ]
    done
    change_to "$oldest" k3s-cli k3s-cri-tools
    rm -f /usr/local/bin/kubectl /usr/local/bin/crictl /usr/local/bin/ctr
    rpm --verify k3s-cli k3s-cri-tools
    wait_for_node
    wait_for runs "$oldest"
}

# runs MINOR: checks that the node reports the version of the installed binary, which is of this minor.
runs() {
    version=$(k3s --version | awk 'NR == 1 { print $3 }')
    if [ "${version#v1."$1".}" != "$version" ] &&
        [ "$(kubectl get node guest --output 'jsonpath={.status.nodeInfo.kubeletVersion}')" = "$version" ]; then return; fi
    sleep 5
    false
}

# The web server of a StatefulSet appends to files of a local volume: when it starts, and then every second.
run_stateful_set() {
    mkdir -p /srv/data
    kubectl apply --filename - <<YAML
apiVersion: v1
kind: PersistentVolume
metadata: {name: data}
spec:
  capacity: {storage: 16Mi}
  accessModes: [ReadWriteOnce]
  storageClassName: local
  persistentVolumeReclaimPolicy: Retain
  local: {path: /srv/data}
  nodeAffinity:
    required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [guest]}]}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: stateful}
spec:
  serviceName: stateful
  selector: {matchLabels: {app: stateful}}
  template:
    metadata: {labels: {app: stateful}}
    spec:
      automountServiceAccountToken: false
      tolerations: [{operator: Exists}]
      containers:
        - name: busybox
          image: $pod_image
          imagePullPolicy: Never
          command: [sh, -c, 'echo started >>/data/starts; while :; do echo tick >>/data/ticks; sleep 1; done']
          volumeMounts: [{name: data, mountPath: /data}]
  volumeClaimTemplates:
    - metadata: {name: data}
      spec: {accessModes: [ReadWriteOnce], storageClassName: local, resources: {requests: {storage: 16Mi}}}
YAML
    wait_for kubectl_wait --for=create pod/stateful-0
    is_in_phase stateful-0 Running
    [ "$(kubectl get pvc data-stateful-0 --output 'jsonpath={.status.phase} {.spec.volumeName}')" = 'Bound data' ]
    kubectl create configmap before-upgrade
    container=$(container)
    id=${container##*containerd://}
    id=${id%% *}
    pid=$(k3s ctr tasks list | awk -v id="$id" '$1 == id { print $2 }')
    started=$(start_of "$pid")
    [ -n "$started" ]
    still_runs
}

container() {
    kubectl get pod stateful-0 --output \
        'jsonpath={.metadata.uid} {.status.startTime} {.status.containerStatuses[0].containerID} {.status.containerStatuses[0].state.running.startedAt} {.status.containerStatuses[0].restartCount}'
}

# start_of PID: prints the start time of a process (proc_pid_stat(5)).
start_of() { sed 's/.*) //' "/proc/$1/stat" | cut -d ' ' -f 20; }

# Checks that the process of the pod is the same as ever, and still writes to its volume.
still_runs() {
    ticks=$(count_lines /srv/data/ticks)
    [ "$(start_of "$pid")" = "$started" ]
    wait_for has_more_ticks
    [ "$(cat /srv/data/starts)" = started ]
}
has_more_ticks() { [ "$(count_lines /srv/data/ticks)" -gt "$ticks" ]; }

# change_package MINOR: changes the packages, which leaves the running k3s and the pods alone.
change_package() {
    running=$(main_pid)
    change_to "$1" k3s k3s-cli k3s-cri-tools
    [ "$(main_pid)" = "$running" ]
    still_runs
}

# has_changed MINOR: checks that k3s runs this minor after a restart, with the container of the former one. A pod that is
# new has been started by the new kubelet, which sees the former pods first.
has_changed() {
    wait_for runs "$1"
    name=pod-$(($(cut -d . -f 1 /proc/uptime)))
    run_pod "$name" 'sleep 100000'
    is_in_phase "$name" Running
    still_runs
    now=$(container)
    [ "$now" = "$container" ]
    wait_for has_data
}

has_data() { [ "$(kubectl exec stateful-0 -- cat /data/starts)" = started ]; }

# upgrade_to MINOR: the documented upgrade.
upgrade_to() {
    begin=$(cut -d . -f 1 /proc/uptime)
    change_package "$1"
    # A restart that was refused before has stopped k3s.
    [ "$running" = 0 ] ||
        grep -q 'k3s.service still runs the old version; to change that: systemctl restart k3s' /run/transaction
    installed=$(cut -d . -f 1 /proc/uptime)
    systemctl restart k3s
    restarted=$(cut -d . -f 1 /proc/uptime)
    has_changed "$1"
    fact "upgrade-to-1.$1" "package $((installed - begin)) s, restart $((restarted - installed)) s, new pod after $(($(cut -d . -f 1 /proc/uptime) - restarted)) s"
}

# is_refused TEXT: checks that the installed version does not start, for this reason, and that the pods run on.
is_refused() {
    grep -qF "$1" /run/transaction
    not systemctl restart k3s
    journalctl --unit=k3s-start-check@k3s --output=cat | grep -F 'not started' | tail -n 1 | grep -qF "$1"
    fact after-a-refused-restart "$(systemctl show --property ActiveState --value k3s)"
    still_runs
}

# A jump over a minor is refused. Its message names the way around, which is the next minor.
climb() {
    if [ -n "$between" ]; then
        change_package "$newest"
        is_refused "no minor may be skipped. Install v1.$((oldest + 1)) first"
    else
        fact not-tested 'a jump over a minor: the repository has one earlier minor'
    fi
    for next in $between; do upgrade_to "$next"; done
}

# The documented backup of a server with SQLite.
back_up() {
    mkdir "$backup"
    systemctl stop k3s
    still_runs
    cp -a "$state/server/db" "$state/server/token" "$state/rpm-version" "$backup"
    systemctl start k3s
    wait_for runs "$before_newest"
}

upgrade_to_newest() {
    upgrade_to "$newest"
    kubectl create configmap after-upgrade
}

# The documented way back: the data of the newer version does not come along, except for that of volumes.
go_back() {
    change_package "$before_newest"
    is_refused 'Restore a backup made before the upgrade'
    systemctl stop k3s
    rm -r "$state/server/db"
    cp -a "$backup/db" "$backup/token" "$state/server/"
    cp -a "$backup/rpm-version" "$state/"
    systemctl start k3s
    has_changed "$before_newest"
    kubectl get configmap before-upgrade
    not kubectl get configmap after-upgrade
}

step openeuler 300 'a stub of k3s 1.24.2 runs in the layout of openEuler' install_openeuler
step replaced 300 'our package has replaced it, and its unit and links still work' replace_openeuler
step migrated 2400 'after the documented steps, the oldest minor runs as a node' migrate
step volume 900 'a StatefulSet writes to a local volume' run_stateful_set
step minors 4800 'a jump over a minor is refused, and the minors below the newest run one after the other' climb
step backup 900 'the data is saved' back_up
step newest 2400 'the newest minor runs, with the same containers' upgrade_to_newest
step back 2400 'after the downgrade, the minor before it runs on the saved data' go_back
finish
