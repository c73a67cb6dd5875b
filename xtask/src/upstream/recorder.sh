# Read by bash before one of upstream's scripts (`BASH_ENV`). Every command that the script would start
# is replaced by a function that records it; the few that only compute (sed, grep, sort …) are real.
# Nothing is fetched, built or removed. calls.rs and commands.rs read the records and decide what each
# command means and whether it is known at all.
#
# A record is the place in the script, then the command's words, with the environment that matters
# before them as in a shell. The parts are ended by the unit separator (0x1f) and the record by the
# record separator (0x1e), since words hold spaces and newlines.

# No command is found by its name, but for the functions below.
PATH=/recorder
exec 9>>"$RECORDER_OUTPUT"

record() {
    local - level=1 fields
    set +x
    while [ "${BASH_SOURCE[level]}" = "${BASH_SOURCE[0]}" ]; do level=$((level + 1)); done
    printf -v fields '%s\037' "${BASH_SOURCE[level]}:${BASH_LINENO[level - 1]}" "$@"
    # In one piece, since the commands of a pipeline run in parallel.
    printf '%s\036' "$fields" >&9
}

# Commands that only compute.
for name in $RECORDER_REAL; do
    eval "$name() { \"\$RECORDER_BIN/$name\" \"\$@\"; }"
done
sed() { case $1 in -i*) record sed "$@" ;; *) "$RECORDER_BIN/sed" "$@" ;; esac; }

# Commands that change files, directories or the shell: only recorded.
for name in builtin cd command cp enable exec find ln mkdir popd pushd rm stat tar zstd ./scripts/build-upload; do
    eval "$name() { record $name \"\$@\"; }"
done
# Any other command.
command_not_found_handle() { record "$@"; }

# Requests to the network, the clock and the file system are answered from our own environment. The
# scripts do not quote directories, so spaces in real ones would change what they do.
date() { printf '%s\n' "$RECORDER_DATE"; }
mktemp() { record mktemp "$@" && echo /recorder; }
pwd() { echo /recorder; }
sha256sum() { record sha256sum "$@" && cat >/dev/null; }
curl() {
    case "$*" in
        *.go-version* | *dependencies.yaml*) printf '%s\n' "$RECORDER_GOLANG" ;;
        *) record curl "$@" ;;
    esac
}
# yq is only ever asked for the Go version (on stdin) or for the charts that the manifests name.
yq() {
    case "$*" in
        'e .dependencies[] | select(.name == "golang: upstream version").version -') cat ;;
        *) record yq "$@" ;;
    esac
}
xargs() {
    local word
    case "$*" in
        'yq eval --no-doc .spec.chart') while read -r word; do sed -n 's/^ *chart: *//p' "$word"; done ;;
        '-n1 basename') while read -r word; do basename "$word"; done ;;
        *) record xargs "$@" ;;
    esac
}

go() {
    case "$*" in
        'env GOARCH') echo "$RECORDER_GOARCH" ;;
        'env GOOS') echo linux ;;
        'list '*) module_of "$@" ;;
        *) record_build go "$@" ;;
    esac
}
make() { record_build make "$@"; }
# Go and the C compilers that it starts read these.
record_build() {
    local - name settings=()
    set +x
    for name in $(compgen -e); do
        case $name in
            GO* | CGO_* | CC | CXX | FC | AR | LD | LD_* | PKG_CONFIG* | GCC* | CPATH | *_INCLUDE_PATH | LIBRARY_PATH)
                settings+=("$name=${!name}")
                ;;
        esac
    done
    record "${settings[@]}" "$@"
}
# `go list -m -f TEMPLATE MODULE`: the module's version or path, after replacement, from go.mod.
module_of() {
    local - module=${*: -1} name path version
    set +x
    while read -r name path version; do
        [ "$name" = "$module" ] || continue
        case "$*" in *Replace.Path*) echo "$path" ;; *) echo "$version" ;; esac
        return
    done <"$RECORDER_MODULES"
}

unset name
readonly -f $(compgen -A function)
trap '[ -z "$K3S_ROOT_SHA256" ] || record K3S_ROOT_SHA256 "$K3S_ROOT_SHA256"' EXIT
