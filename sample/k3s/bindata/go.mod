module github.com/k3s-io/k3s

go 1.22.5

replace (
	github.com/Microsoft/hcsshim => github.com/Microsoft/hcsshim v0.11.7-sample
	github.com/Mirantis/cri-dockerd => github.com/k3s-io/cri-dockerd v0.3.19-k3s3.sample // the form of a pinned fork
	github.com/cloudnativelabs/kube-router/v2 => github.com/k3s-io/kube-router/v2 v2.6.3-k3s1.sample
	github.com/containerd/containerd => github.com/k3s-io/containerd v1.7.21-k3s2.sample
	github.com/opencontainers/runc => github.com/k3s-io/runc v1.1.14-k3s1.sample
	go.etcd.io/etcd/api/v3 => github.com/k3s-io/etcd/api/v3 v3.6.7-k3s1.sample
	k8s.io/client-go => github.com/k3s-io/kubernetes/staging/src/k8s.io/client-go v0.31.1-k3s3
	k8s.io/component-base => github.com/k3s-io/kubernetes/staging/src/k8s.io/component-base v0.31.1-k3s3
	k8s.io/kubernetes => github.com/k3s-io/kubernetes v0.31.1-k3s3
	sigs.k8s.io/cri-tools => github.com/k3s-io/cri-tools v1.35.0-k3s2.sample
)

require (
	github.com/Microsoft/hcsshim v0.12.6
	github.com/Mirantis/cri-dockerd v0.0.0-00010101000000-000000000000
	github.com/cloudnativelabs/kube-router/v2 v2.0.0-00010101000000-000000000000
	github.com/containerd/containerd v1.7.16
	github.com/flannel-io/flannel v0.28.0-sample
	github.com/k3s-io/helm-controller v0.16.17-sample
	github.com/klauspost/compress v1.18.0
	github.com/mattn/go-sqlite3 v1.14.33-sample
	github.com/opencontainers/runc v1.1.13
	github.com/sirupsen/logrus v1.9.3-sample
	go.etcd.io/etcd/api/v3 v3.5.15
	k8s.io/client-go v11.0.1-0.20190409021438-1a26190bd76a+incompatible
	k8s.io/component-base v0.31.1
	k8s.io/kubernetes v1.31.1
	sigs.k8s.io/cri-tools v0.0.0-00010101000000-000000000000
)

require github.com/seccomp/libseccomp-golang v0.10.0-sample // indirect
