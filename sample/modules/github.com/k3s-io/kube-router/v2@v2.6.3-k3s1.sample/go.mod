module github.com/cloudnativelabs/kube-router/v2

go 1.22
