#!/usr/bin/env bash
# Compiles server, runc and shim, one after another, as a printed plan has them, in the directories in
# which a finished build has compiled them:
#
#   bare.sh TARGET CACHE PLAN      CARGO_TARGET_DIR and K3S_XTASK_CACHE of that build
#
# Modules are there already; Go's and zig's caches begin empty.
set -euo pipefail
shopt -s nullglob

readonly target=$1 cache=$2 plan=$3 out=$1/bare
directory() { sed -n 's/^  in //p' "$target/logs/$1.log" | tail -n 1; }

rm -rf "$out"
mkdir "$out"
zig=$(sed -n 's/^    zig \([0-9.]*\) .*/\1/p' <<<"$plan" | head -n 1)
tools=("$target"/work/*/libseccomp/*/output "$cache"/toolchain/*/"zig-$zig"/files/ziglang "$PATH")
runc=$(directory runc)
PATH=$(IFS=: && echo "${tools[*]}")
export PATH PKG_CONFIG=pkg-config
export ZIG_GLOBAL_CACHE_DIR=$out/zig ZIG_LOCAL_CACHE_DIR=$out/zig GOCACHE=$out/go
export GOENV=off GOFLAGS='' GOWORK=off GOTOOLCHAIN=local GOPROXY=off GOSUMDB=off
export GOMODCACHE="${runc%%/github.com/*}"

# `go1.25.5 build FLAGS -ldflags FLAGS OF THE LINKER PACKAGE`, without quotes.
compile() {
    local go flags=${2%% -ldflags *} rest=${2#* -ldflags }
    go=$(sed -n 's/^\$ \([^ ]*\) build .*/\1/p' "$target/logs/$1.log" | tail -n 1)
    # shellcheck disable=SC2086
    (cd "$(directory "$1")" &&
        env "${environment[@]}" "$go" build -mod=readonly -o "$out/$1" $flags -ldflags "${rest% *}" "${rest##* }")
}

step='' environment=()
while IFS= read -r line; do
    case $line in
        [a-z]*) step=${line%% *} environment=() ;;
        "    "[A-Z]*=*) environment+=("${line#    }") ;;
        "    go"*" build "*)
            case $step in server | runc | shim) compile "$step" "${line#* build }" ;; esac
            ;;
    esac
done <<<"$plan"
