# What every proof begins with: how it tells the host what it does, on a console that nothing else uses.
# Each line is written at once, so that lines of several processes do not mix.
set -eu

say() { printf '%s\n' "$*" >/dev/hvc0; }
fact() { say "fact $*"; }

# not COMMAND...: fails where the command succeeds. The shell's own `!` is passed over by set -e.
not() { ! "$@"; }

# wait_for COMMAND...: until it succeeds. The milestone's limit ends it.
wait_for() {
    until "$@"; do sleep 1; done
}

# Prefixes what is read as evidence of this name.
evidence() { tail -n "$2" | sed "s/^/| $1 /" >/dev/hvc0; }

# Ends the proof as failed, with all that may tell why.
give_up() {
    { set +ex; } 2>/dev/null
    say "fail $*"
    evidence commands 25 <"$trace"
    journalctl --boot --no-pager --output=short-monotonic 2>&1 | evidence journal 60
    ps -eo pid,ppid,user,rss,args 2>&1 | evidence processes 60
    if [ -e /etc/rancher/k3s/k3s.yaml ]; then
        timeout 50 k3s kubectl describe pods 2>&1 | evidence describe 80
        timeout 50 k3s kubectl get nodes,pods --all-namespaces --output=wide 2>&1 | evidence cluster 40
    fi
    finish
}

# Nothing is left to be proved. The host switches the machine off, unless somebody wants to look around.
finish() {
    finished=yes
    say 'done'
    if [ -e /proof/stay ]; then
        while :; do setsid sh -c 'cd /root; exec sh -i </dev/ttyS0 >/dev/ttyS0 2>&1' || sleep 1; done
    fi
    exec sleep infinity
}

# step NAME COMMAND...: reaches a milestone by a command, within its limit.
step() {
    name=$1
    shift
    limit=$(sed -n "s/^$name //p" /proof/limits)
    # The shell runs no trap while it waits for a command, so that the watchdog itself has to tell. The shell is
    # stopped first, or the proof would go on behind its back.
    ({ set +x; } 2>/dev/null && sleep "$limit" && kill -STOP $$ && give_up "it was not done within $limit s") &
    watchdog=$!
    "$@"
    kill "$watchdog"
    watchdog=
    say "mark $name"
}

# A command that fails ends the shell, wherever it stands.
ended() {
    { set +x; } 2>/dev/null
    [ -z "$watchdog" ] || kill "$watchdog" || :
    [ -n "$finished" ] || give_up "this failed: $(grep -vx '+ ended' "$trace" | tail -n 2 | tr '\n' ' ')"
}

watch_memory() {
    { set +x; } 2>/dev/null
    while :; do
        awk '/^MemTotal/ { total = $2 } /^MemAvailable/ { print "memory", total, $2 }' /proc/meminfo >/dev/hvc0
        sleep 5
    done
}

is_systemd() { [ "$(cat /proc/1/comm)" = systemd ]; }

# rpm_install PACKAGE...: with scriptlets, and with the guest's distribution as it is.
rpm_install() {
    # Debian's rpm wants to hear that it is meant.
    force=
    ! rpm --help | grep -q -e --force-debian || force=--force-debian
    # Since version 6 rpm takes unsigned packages only when told so (rpm.org, 6.0 release notes). Whoever
    # publishes packages signs them; these come from the build itself.
    rpm $force --define '_pkgverify_level digest' --install "$@"
}

# What stands for a distribution whose packages rpm does not know: it provides what is really there.
install_stub() {
    [ ! -e /proof/distro-stub.rpm ] || rpm_install /proof/distro-stub.rpm
}

# The preset disables: installing starts nothing.
is_not_started() {
    not systemctl --quiet is-enabled k3s.service
    not systemctl --quiet is-active k3s.service
}

# is_packaged NAME: systemd takes this unit from the package, unchanged.
is_packaged() {
    [ "$(systemctl show --property FragmentPath --value "$1")" = "/usr/lib/systemd/system/$1.service" ]
    [ -z "$(systemctl show --property DropInPaths --value "$1")" ]
}

# The card of a machine without a network: kubelet and flannel want an address and a default route.
network() {
    ip link add eth0 type dummy
    ip address add 10.0.2.15/24 dev eth0
    ip link set lo up
    ip link set eth0 up
    ip route add default via 10.0.2.2
}

finished=
watchdog=
trace=/run/proof.trace
exec 2>"$trace"
set -x
trap ended EXIT
watch_memory &
