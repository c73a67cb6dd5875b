# Read by bash before one of upstream's scripts (`BASH_ENV`), so that the script plays its part
# without doing it: every program it would start is a function that writes down its arguments, and
# the few that only compute (sed, grep, sort …) are real. Nothing is fetched, built or removed.
#
# A record is one line on descriptor 9: a kind, then its fields, parted by the unit separator (0x1f)
# and ended by the record separator (0x1e), since arguments hold spaces and newlines.

PATH=$RECORDER_BIN
exec 9>>"$RECORDER_OUTPUT"

record() { printf '%s\037' "$@" >&9; printf '\036' >&9; }

# What the script asks of git, the network and the clock is answered from the caller's environment.
git() {
    case $1 in
        clone) record clone "${@:2}" ;;
    esac
}
date() { printf '%s\n' "$RECORDER_DATE"; }
curl() {
    case "$*" in
        *.go-version* | *dependencies.yaml*) printf '%s\n' "$RECORDER_GOLANG" ;;
        *) record fetch "$@" ;;
    esac
}
# yq is only ever asked for the Go version (on stdin) or for the charts that the manifests name.
yq() { cat; }
xargs() {
    local file
    if [ "$1" = yq ]; then
        while read -r file; do sed -n 's/^ *chart: *//p' "$file"; done
    else
        command xargs "$@"
    fi
}

go() {
    case $1 in
        env) [ "$2" = GOARCH ] && echo "$RECORDER_GOARCH" || echo linux ;;
        list) module_of "$@" ;;
        build) record go-build "CGO_ENABLED=$CGO_ENABLED" "CGO_CFLAGS=$CGO_CFLAGS" "${@:2}" ;;
        generate) record go-generate ;;
        *) record unknown go "$@" ;;
    esac
}
# `go list -m -f TEMPLATE MODULE`: the module's version or path, after replacement, from go.mod.
module_of() {
    local wanted=${*: -1} name path version
    while read -r name path version; do
        [ "$name" = "$wanted" ] || continue
        case "$*" in *Replace.Path*) echo "$path" ;; *) echo "$version" ;; esac
        return
    done <"$RECORDER_MODULES"
}

make() { record make "$@"; }
ln() { record link "${@: -2}"; }
zstd() { record zstd "$@"; }
sed() { case $1 in -i*) ;; *) command sed "$@" ;; esac; }
mktemp() { echo /recorder; }
# The scripts do not quote it, so spaces in the real one would change what they do.
pwd() { echo /recorder; }
sha256sum() { command cat >/dev/null; }
# Without a file system to change, these have nothing to do.
cd() { :; }
pushd() { :; }
popd() { :; }
rm() { :; }
cp() { :; }
mv() { :; }
mkdir() { :; }
tar() { command cat >/dev/null; }
find() { :; }
stat() { :; }
chmod() { :; }
touch() { :; }
./scripts/build-upload() { :; }

# A program that this page does not know is a change upstream made: it is named, not guessed at.
command_not_found_handle() { record unknown "$@"; }
trap '[ -z "$K3S_ROOT_SHA256" ] || record root-sha256 "$K3S_ROOT_SHA256"' EXIT
