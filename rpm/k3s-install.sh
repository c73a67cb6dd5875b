#!/bin/sh
# k3s-install.sh: write the given options down and start the packaged k3s.
#
# usage: [NAME=VALUE...] k3s-install.sh [server|agent] [OPTION...]
#     INSTALL_K3S_SKIP_DOWNLOAD=true k3s-install.sh
#     K3S_URL=https://server.example:6443 K3S_TOKEN=... k3s-install.sh
#     k3s-install.sh server --disable=traefik
#
# The variables and arguments are those of upstream's installer, as openEuler's users know them:
#     INSTALL_K3S_EXEC          command and options, before those given as arguments
#     INSTALL_K3S_SKIP_ENABLE   true: neither enable nor start
#     INSTALL_K3S_SKIP_START    true: enable, do not start
#     INSTALL_K3S_FORCE_RESTART true: restart even if nothing changed
#     K3S_*, CONTAINERD_*, KINE_*, HTTP_PROXY, HTTPS_PROXY, NO_PROXY
# Without a command it is an agent if K3S_URL is set, else a server.
#
# Unlike upstream's, this script downloads nothing and writes no unit: options go to the last part of
# /etc/sysconfig/k3s or k3s-agent, which the next run rewrites, and the unit is the package's own.
set -eu
# Values are bytes: in another locale a pattern ends at what is no character of it.
export LC_ALL=C

BEGIN='# Written by k3s-install.sh, whose next run writes it anew: begin'
END='# Written by k3s-install.sh: end'

say() { printf 'k3s-install: %s\n' "$*"; }
fail() {
    say "$*" >&2
    exit 1
}

# Rejects variables of upstream's installer that have no meaning for a package, instead of ignoring them.
reject_unsupported_variables() {
    for name in $(env | sed -nE 's/^INSTALL_K3S_([A-Za-z0-9_]+)=.+/\1/p' | sort -u); do
        # A line of some other variable's value may look like a variable.
        value=
        eval "value=\${INSTALL_K3S_$name-}"
        [ -n "$value" ] || continue
        case $name=$value in
        EXEC=* | NAME=k3s | TYPE=notify | BIN_DIR=/usr/bin | SYSTEMD_DIR=/usr/lib/systemd/system) ;;
        SKIP_ENABLE=true | SKIP_ENABLE=false | SKIP_START=true | SKIP_START=false) ;;
        FORCE_RESTART=true | FORCE_RESTART=false) ;;
        # These ask for what is done anyway.
        SKIP_DOWNLOAD=true | SKIP_DOWNLOAD=binary | SKIP_DOWNLOAD=selinux | BIN_DIR_READ_ONLY=true) ;;
        SYMLINK=skip | SKIP_SELINUX_RPM=true | SELINUX_WARN=true) ;;
        SKIP_ENABLE=* | SKIP_START=* | FORCE_RESTART=*)
            fail "INSTALL_K3S_$name=$value: must be true or false" ;;
        SKIP_DOWNLOAD=* | ARTIFACT_URL=*) fail "INSTALL_K3S_$name=$value: nothing is ever downloaded here" ;;
        VERSION=* | COMMIT=* | PR=* | CHANNEL=* | CHANNEL_URL=*)
            fail "INSTALL_K3S_$name has no meaning here: nothing is downloaded, the package is the version" \
                "(to change it: dnf install k3s-VERSION)" ;;
        NAME=* | TYPE=* | BIN_DIR=* | BIN_DIR_READ_ONLY=* | SYSTEMD_DIR=*)
            fail "INSTALL_K3S_$name=$value: the packaged units have one place and name; unset it" ;;
        SYMLINK=*) fail "INSTALL_K3S_SYMLINK=$value: kubectl is in the package k3s-cli, crictl and ctr in" \
            "the package k3s-cri-tools" ;;
        SKIP_SELINUX_RPM=* | SELINUX_WARN=*)
            fail "INSTALL_K3S_$name=$value: no package is installed here; for SELinux: dnf install k3s-selinux" ;;
        *) fail "INSTALL_K3S_$name is unknown here; unset it" ;;
        esac
    done
}

# Prints one argument a line, behind a colon, since it may be empty. INSTALL_K3S_EXEC is split as upstream's installer
# splits it: at blanks outside of quotes, and nothing else has a meaning.
given_arguments() {
    printf '%s\n' "${INSTALL_K3S_EXEC-}" | awk -v single="'" '
        function end_word() { if (begun) print ":" word; word = ""; begun = 0 }
        {
            for (i = 1; i <= length($0); i++) {
                character = substr($0, i, 1)
                if (quote == "" && (character == single || character == "\"")) { quote = character; begun = 1 }
                else if (character == quote) quote = ""
                else if (quote == "" && character ~ /[ \t]/) end_word()
                else { word = word character; begun = 1 }
            }
            if (quote != "") exit 1
            end_word()
        }' || fail "INSTALL_K3S_EXEC has a quote without its second half in the line: $INSTALL_K3S_EXEC"
    for argument in "$@"; do
        case $argument in
        *"$newline"*) fail "an argument contains a newline: use /etc/rancher/k3s/config.yaml" ;;
        esac
        printf ':%s\n' "$argument"
    done
}

# Prints server or agent for the first argument.
role() {
    case $1 in
    server | agent) echo "$1" ;;
    '' | -*)
        if [ -z "${K3S_URL-}" ]; then
            echo server
        elif [ -n "${K3S_TOKEN-}${K3S_TOKEN_FILE-}" ]; then
            echo agent
        else
            fail "K3S_URL makes this node an agent, which needs K3S_TOKEN or K3S_TOKEN_FILE too"
        fi
        ;;
    *) fail "the first argument is neither server, agent nor an option: $1" ;;
    esac
}

# Filter: quotes each argument so that systemd, splitting $OPTIONS, makes one of it again; joins them.
as_words() {
    sed -e 's/^://' -e '/^[][A-Za-z0-9_@%+=:,./{}<>!()*?^~#;&|-]\{1,\}$/b' -e 's/[\\"]/\\&/g' -e 's/.*/"&"/' |
        tr '\n' ' ' | sed 's/ $//'
}

# is_utf8 VALUE: succeeds if it is. systemd ignores a whole EnvironmentFile in which one value is not.
is_utf8() {
    bytes='([\001-\177]|[\302-\337]N|\340[\240-\277]N|[\341-\357]NN|\360[\220-\277]NN|[\361-\364]NNN)*'
    # shellcheck disable=SC2059 # a pattern of bytes
    printf '%s\n' "$1" | grep -qxE "$(printf "$(printf '%s' "$bytes" | sed 's/N/[\\200-\\277]/g')")"
}

# setting NAME VALUE: a line of an EnvironmentFile, which is also one of sh.
setting() {
    is_utf8 "$2" || fail "$1 is not UTF-8, and systemd would ignore all settings beside it"
    case $2 in
    *"$newline"*) fail "$1 contains a newline, which /etc/sysconfig cannot: use /etc/rancher/k3s/config.yaml" ;;
    esac
    printf '%s="%s"\n' "$1" "$(printf '%s' "$2" | sed 's/[\\"`$]/\\&/g')"
}

# Prints the settings of this run, sorted by name.
settings() {
    [ -z "$options" ] || setting OPTIONS "$options"
    for name in $(env | sed -n -E \
        -e 's/^((K3S|CONTAINERD|KINE)_[A-Za-z0-9_]+)=.*/\1/p' \
        -e 's/^((HTTP|HTTPS|NO)_PROXY|(http|https|no)_proxy)=.*/\1/p' | sort -u); do
        # A line of some other variable's value may look like a variable.
        eval "given=\${$name+yes} value=\${$name-}"
        [ -z "$given" ] || setting "$name" "$value"
    done
}

# count_lines FILE TEXT: the number of lines that contain TEXT.
count_lines() { grep -cF -e "$2" "$1" || :; }

# without_own_part FILE: prints FILE without the part between our two lines, all other bytes as they are. Editors may
# have ended our lines with a carriage return. Fails unless both are there exactly once, in this order and unchanged, or
# not at all.
without_own_part() {
    case $(count_lines "$1" "$BEGIN"),$(count_lines "$1" "$END") in
    0,0) cat "$1" ;;
    1,1)
        awk -v begin="$BEGIN" -v end="$END" '
            { line = $0; sub(/\r$/, "", line) }
            line == begin && !state { state = 1; next }
            line == end && state == 1 { state = 2; next }
            state != 1 { print }
            END { exit state != 2 }' "$1"
        ;;
    *) return 1 ;;
    esac
}

# write_settings FILE SETTINGS: FILE with our part replaced. Appears by rename, readable by root alone. A link stays one.
write_settings() {
    target=$(readlink -f "$1") || fail "$1 is a link to nowhere: remove it, or make the directory that it names"
    new=$(mktemp "$target.XXXXXX") || fail "cannot write $target, see above"
    trap 'rm -f "$new"' EXIT
    if [ -e "$target" ]; then
        [ -f "$target" ] || fail "$target is not a file"
        [ -n "$(find "$target" -perm -u=w)" ] || fail "$target is read-only, and options would go there: chmod u+w $target"
        without_own_part "$target" >"$new" ||
            fail "$target has been changed around the lines that this script wrote, of which each must be there" \
                "once: remove them, with what is between them:$newline  $BEGIN$newline  $END"
    fi
    if [ -n "$2" ]; then
        # The user's last line may have no newline.
        [ -z "$(tail -c 1 "$new")" ] || echo >>"$new"
        printf '%s\n' "$BEGIN" "$2" "$END" >>"$new"
    fi
    if ! cmp -s "$new" "$target"; then
        say "writing options to $1"
        mv -f "$new" "$target" || fail "cannot replace $target, see above"
        changes=yes
    fi
}

# set_aside FILE: renames it, over nothing that was set aside before.
set_aside() {
    saved=$1.saved
    if [ -e "$saved" ] || [ -L "$saved" ]; then fail "cannot rename $1: $saved is there already; move one of them"; fi
    mv "$1" "$saved"
}

# A unit of upstream's installer in /etc would hide the packaged one.
set_old_unit_aside() {
    old=/etc/systemd/system/$unit
    [ -e "$old" ] && [ ! -L "$old" ] || return 0
    grep -q '/k3s' "$old" || fail "$old hides the packaged unit and is not of k3s's installer: move it first"
    set_aside "$old"
    systemctl --quiet disable "$unit"
    changes=yes
    say "moved $old, which hid the packaged unit, to $saved; options in it are not taken over"
}

# Scripts of upstream's installer come before ours in PATH, and its k3s-uninstall.sh deletes without asking.
set_old_scripts_aside() {
    for script in k3s-killall.sh k3s-uninstall.sh k3s-agent-uninstall.sh; do
        old=/usr/local/bin/$script
        if [ ! -L "$old" ] && grep -qs -e K3S -e /var/lib/rancher/k3s "$old"; then
            set_aside "$old"
            say "moved $old, of upstream's installer, to $saved: the package's scripts are in /usr/bin"
        fi
    done
}

start_unit() {
    if [ ! -d /run/systemd/system ]; then
        say "systemd does not run here: $unit starts at the next boot"
    elif systemctl --quiet is-active "$unit" && [ -z "$changes" ] && [ "${INSTALL_K3S_FORCE_RESTART-}" != true ]; then
        say "no change: $unit keeps running (INSTALL_K3S_FORCE_RESTART=true restarts it)"
    else
        systemctl daemon-reload
        say "starting $unit; this may take some minutes"
        systemctl restart "$unit"
    fi
}

newline='
'
case ${1-} in
-h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p}' "$0" && exit 0 ;;
esac
[ "$(id -u)" -eq 0 ] || fail "must be run by root, with the variables kept: sudo -E $0"
command -v systemctl >/dev/null || fail "systemctl not found: without systemd, run k3s server or k3s agent yourself"
reject_unsupported_variables
case ${K3S_URL-} in
'' | https://*) ;;
*) fail "K3S_URL must begin with https://, found: $K3S_URL" ;;
esac

arguments=$(given_arguments "$@")
first=${arguments%%"$newline"*}
role=$(role "${first#:}")
# In the place of the command, an empty argument is none: k3s would read no option behind it.
options=$(printf '%s\n' "$arguments" | sed -e "1{/^:$role\$/d;/^:\$/d;}" -e '/^:/!d' | as_words)
case $role in
server) unit=k3s.service other=k3s-agent.service file=/etc/sysconfig/k3s ;;
agent) unit=k3s-agent.service other=k3s.service file=/etc/sysconfig/k3s-agent ;;
esac
! systemctl --quiet is-enabled "$other" 2>/dev/null ||
    fail "$other is enabled, and a node is either server or agent: systemctl disable --now $other"

settings=$(settings)
changes=
write_settings "$file" "$settings"
[ "${INSTALL_K3S_SKIP_ENABLE-}" != true ] || exit 0
set_old_unit_aside
set_old_scripts_aside
say "enabling $unit"
systemctl --quiet enable "$unit"
[ "${INSTALL_K3S_SKIP_START-}" = true ] || start_unit
