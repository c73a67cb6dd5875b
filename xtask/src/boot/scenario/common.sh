# Functions for all scenarios. A scenario reports to the host on a console that nothing else uses. Each line is
# written in one call, so that the lines of several processes do not mix.
set -eu

report() { printf '%s\n' "$*" >/dev/hvc0; }
fact() { report "fact $*"; }

# not COMMAND...: fails if the command succeeds. `set -e` ignores the status of the shell's own `!`.
not() { ! "$@"; }

# wait_for COMMAND...: retries a command until it succeeds or the milestone times out.
wait_for() {
    until "$@"; do sleep 1; done
}

# evidence NAME COUNT: reports the last lines of its input.
evidence() { tail -n "$2" | sed "s/^/| $1 /" >/dev/hvc0; }

# report_failure REASON: ends the scenario as failed, and reports the state of the guest.
report_failure() {
    { set +ex; } 2>/dev/null
    report "fail $*"
    # The agent, if there is one.
    [ ! -e /run/orders ] || order failed
    evidence commands 25 <"$trace"
    journalctl --boot --no-pager --output=short-monotonic 2>&1 | evidence journal 60
    ps -eo pid,ppid,user,rss,args 2>&1 | evidence processes 60
    [ ! -e /run/k3s-check ] || evidence k3s-check 80 </run/k3s-check
    if [ -e /etc/rancher/k3s/k3s.yaml ]; then
        timeout 50 k3s kubectl describe pods 2>&1 | evidence describe 80
        timeout 50 k3s kubectl get nodes,pods --all-namespaces --output=wide 2>&1 | evidence cluster 40
        timeout 50 k3s kubectl get events --all-namespaces 2>&1 | grep -v Normal | evidence events 40
    fi
    finish
}

# Ends the scenario. The host stops the VM then, unless the user keeps it: for that there is a shell on its console.
finish() {
    finished=yes
    report 'done'
    if [ -e /scenario/keep-running ]; then
        while :; do setsid sh -c 'cd /root; exec sh -i </dev/ttyS0 >/dev/ttyS0 2>&1' || sleep 1; done
    fi
    exec sleep infinity
}

# kept NAME: prints the value that a boot before this one has reported with `keep`, if any.
kept() { sed -nE "s/.* boot-test\.$1=([^ ]*).*/\1/p" /proc/cmdline; }

# Reboots. The script runs again then, from the first step on that was not reached.
reboot_guest() {
    report 'restart reboot'
    exec systemctl reboot
}

# step NAME TIMEOUT DESCRIPTION COMMAND...: reaches a milestone by a command, within so many seconds. The host reads
# these lines, too (milestone.rs).
step() {
    milestone=$1
    if [ -n "$reached" ]; then
        [ "$reached" != "$milestone" ] || reached=
        return
    fi
    timeout=$2
    shift 3
    # The shell runs no trap while it waits for a command, so the watchdog itself has to report. It stops the shell
    # first, or the scenario would continue meanwhile.
    ({ set +x; } 2>/dev/null && sleep "$timeout" && kill -STOP $$ && report_failure "not reached within $timeout s") &
    watchdog=$!
    "$@"
    kill "$watchdog"
    watchdog=
    report "mark $milestone"
}

# Runs at the end of the shell, for instance after a command that failed.
on_exit() {
    { set +x; } 2>/dev/null
    [ -z "$watchdog" ] || kill "$watchdog" || :
    [ -n "$finished" ] || report_failure "this failed: $(grep -vx '+ on_exit' "$trace" | tail -n 2 | tr '\n' ' ')"
}

watch_memory() {
    { set +x; } 2>/dev/null
    while :; do
        awk '/^MemTotal/ { total = $2 } /^MemAvailable/ { print "memory", total, $2 }' /proc/meminfo >/dev/hvc0
        sleep 5
    done
}

# rpm_install PACKAGE...: installs with scriptlets and dependency checks.
rpm_install() { rpm_change --install "$@"; }

# rpm_change OPTION... PACKAGE...: the same in another mode.
rpm_change() {
    # Debian's rpm refuses to install without this option.
    force=
    ! rpm --help | grep -q -e --force-debian || force=--force-debian
    # Since version 6 rpm refuses unsigned packages by default (rpm.org, 6.0 release notes). Published packages are
    # signed; these come from the build itself.
    rpm $force --define '_pkgverify_level digest' "$@"
}

# Installs the stub of a distribution whose packages rpm does not know. It provides what the guest really has.
install_stub() {
    [ ! -e /scenario/distro-stub.rpm ] || rpm_install /scenario/distro-stub.rpm
}

# The preset disables the unit: an installation starts nothing.
is_not_started() {
    not systemctl --quiet is-enabled k3s.service
    not systemctl --quiet is-active k3s.service
}

# is_packaged NAME: checks that systemd uses the unit of the package, unchanged.
is_packaged() {
    [ "$(systemctl show --property FragmentPath --value "$1")" = "/usr/lib/systemd/system/$1.service" ]
    [ -z "$(systemctl show --property DropInPaths --value "$1")" ]
}

# Runs the installer as without a network, for a binary that is in place.
run_installer() {
    INSTALL_K3S_SKIP_DOWNLOAD=true sh /scenario/install.sh
    [ "$(systemctl show --property FragmentPath --value k3s)" = /etc/systemd/system/k3s.service ]
    systemctl --quiet is-enabled k3s.service
    systemctl --quiet is-active k3s.service
}

# Runs the uninstall script of the installer, and checks that what was installed is gone.
uninstall() {
    installed='/usr/local/bin/k3s /usr/local/bin/k3s-killall.sh /usr/local/bin/k3s-uninstall.sh
        /etc/systemd/system/k3s.service /etc/systemd/system/k3s.service.env /var/lib/rancher/k3s'
    for file in $installed; do [ -e "$file" ]; done
    k3s-uninstall.sh
    for file in $installed; do [ ! -e "$file" ]; done
    not systemctl --quiet is-active k3s.service
    not systemctl --quiet is-enabled k3s.service
}

# add_network [ADDRESS]: configures the network interface, which a VM without a network gets: kubelet and flannel need an
# address and a default route.
add_network() {
    [ -e /sys/class/net/eth0 ] || ip link add eth0 type dummy
    ip address add "${1:-10.0.2.15}/24" dev eth0
    ip link set lo up
    ip link set eth0 up
    ip route add default via 10.0.2.2
}

# find_problems [COMMAND...]: runs the installed k3s-check, or else that of the payload, perhaps by a command. Sets `status`,
# and `found` to the names of the checks that found something. The output is in the console log.
find_problems() {
    script=$(command -v k3s-check || echo /scenario/k3s-check)
    status=0
    "$@" sh "$script" >/run/k3s-check || status=$?
    found=$(sed -n 's/^\(FAILS\|LIMIT\) *\([^:]*\):.*/\2/p' /run/k3s-check | sort)
    cat /run/k3s-check >/dev/console
}

# Checks that k3s-check finds nothing that keeps k3s from working.
check_node() {
    find_problems
    fact k3s-check "$(tail -n 1 /run/k3s-check)"
    [ "$status" = 0 ] || [ "$status" = 2 ]
}

finished=
watchdog=
# The last step of the boots before, until it is passed over.
reached=$(kept reached)
trace=/run/scenario.trace
exec 2>"$trace"
set -x
trap on_exit EXIT
watch_memory &
[ "$(cat /proc/1/comm)" = systemd ]
report 'mark systemd'
