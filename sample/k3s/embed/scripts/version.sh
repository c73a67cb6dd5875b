#!/bin/bash
# The versions of everything that goes into a build. Sourced by the other scripts.

GO=${GO-go}
ARCH=${ARCH:-$("${GO}" env GOARCH)}
OS=${OS:-$("${GO}" env GOOS)}
SUFFIX="-${ARCH}"

if [ -z "$NO_DAPPER" ]; then
    . ./scripts/git_version.sh
fi

get-module-version() {
    go list -mod=readonly -m -f '{{if .Replace}}{{.Replace.Version}}{{else}}{{.Version}}{{end}}' $1
}

get-module-path() {
    go list -mod=readonly -m -f '{{if .Replace}}{{.Replace.Path}}{{else}}{{.Path}}{{end}}' $1
}

PKG_CONTAINERD_K3S=$(get-module-path github.com/containerd/containerd/v2)
VERSION_CONTAINERD=$(get-module-version github.com/containerd/containerd/v2)
VERSION_CRICTL=$(get-module-version sigs.k8s.io/cri-tools)
PKG_KUBERNETES_K3S=$(get-module-path k8s.io/kubernetes)
VERSION_K8S_K3S=$(get-module-version k8s.io/kubernetes)
VERSION_K8S=${VERSION_K8S_K3S%-k3s*}
VERSION_RUNC=$(get-module-version github.com/opencontainers/runc)
VERSION_HCSSHIM=$(get-module-version github.com/Microsoft/hcsshim)
VERSION_FLANNEL=$(get-module-version github.com/flannel-io/flannel)
VERSION_CRI_DOCKERD=$(get-module-version github.com/Mirantis/cri-dockerd)
VERSION_KUBE_ROUTER=$(get-module-version github.com/cloudnativelabs/kube-router/v2)

VERSION_CNIPLUGINS="v1.9.0-k3s1-sample"
VERSION_FLANNEL_PLUGIN="v1.9.0-flannel1-sample"
VERSION_ROOT="v0.15.0-sample"
VERSION_HELM_JOB="v0.9.12-build20251215"

VERSION_GOLANG="go"$(curl -sL "https://raw.githubusercontent.com${PKG_KUBERNETES_K3S/github.com/}/refs/tags/${VERSION_K8S_K3S}/.go-version")

if [[ -n "$GIT_TAG" ]]; then
    if [[ ! "$GIT_TAG" =~ ^"$VERSION_K8S"[+-] ]]; then
        echo "Tagged version '$GIT_TAG' does not match expected version '$VERSION_K8S[+-]*'" >&2
        exit 1
    fi
    VERSION=$GIT_TAG
else
    VERSION="$VERSION_K8S+k3s-${COMMIT:0:8}$DIRTY"
fi
VERSION_TAG="$(sed -e 's/+/-/g' <<< "$VERSION")"

BINARY_POSTFIX=
