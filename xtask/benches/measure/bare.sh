#!/usr/bin/env bash
# Compiles server, runc and shim, or the programs of images, one after another, as a printed plan has
# them, the server in the tree in which a finished build has compiled it, the others in their modules:
#
#   bare.sh TARGET CACHE MODULES PLAN      CARGO_TARGET_DIR and K3S_XTASK_CACHE of that build, GOMODCACHE
#
# Modules are there already; Go's and zig's caches begin empty.
set -euo pipefail
shopt -s nullglob

readonly target=$1 cache=$2 modules=$3 plan=$4 out=$1/bare

rm -rf "$out"
mkdir "$out"
zig=$(sed -n 's/^    zig \([0-9.]*\) .*/\1/p' <<<"$plan" | head -n 1)
tools=("$target"/work/*/libseccomp/*/output "$cache"/toolchain/*/"zig-$zig"/files/ziglang "$PATH")
PATH=$(IFS=: && echo "${tools[*]}")
export PATH PKG_CONFIG=pkg-config
export ZIG_GLOBAL_CACHE_DIR=$out/zig ZIG_LOCAL_CACHE_DIR=$out/zig GOCACHE=$out/go
export GOENV=off GOFLAGS='' GOWORK=off GOTOOLCHAIN=local GOPROXY=off GOSUMDB=off GOMODCACHE=$modules

# compile STEP COMMAND: `go1.25.5 build FLAGS -ldflags FLAGS OF THE LINKER PACKAGE`, without quotes.
compile() {
    local go flags=${2%% -ldflags *} rest=${2#* -ldflags }
    go=$(sed -n 's/^\$ \([^ ]*\) build .*/\1/p' "$target/logs/$1.log" | tail -n 1)
    # An empty list of tags is no word here.
    # shellcheck disable=SC2086
    (cd "${directory:-$(sed -n 's/^  in //p' "$target/logs/$1.log" | tail -n 1)}" &&
        env "${environment[@]}" "$go" build -mod=readonly -o "$out/$1" ${flags%-tags } -ldflags "${rest% *}" "${rest##* }")
}

step='' directory='' environment=()
while IFS= read -r line; do
    case $line in
        [a-z]*) step=${line%% *} directory='' environment=() ;;
        # In a module cache, a capital letter is written as `!` and the small one (go.dev/ref/mod#module-cache).
        "    module "*)
            read -r _ path version _ <<<"$line"
            # shellcheck disable=SC2001
            directory=$modules/$(sed 's/[A-Z]/!\l&/g' <<<"$path@$version")
            ;;
        "    "[A-Z]*=*) environment+=("${line#    }") ;;
        "    go"*" build "*)
            case $step in server | runc | shim | program-*) compile "$step" "${line#* build }" ;; esac
            ;;
    esac
done <<<"$plan"
