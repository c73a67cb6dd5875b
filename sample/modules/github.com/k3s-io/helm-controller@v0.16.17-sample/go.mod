module github.com/k3s-io/helm-controller

go 1.22
