module github.com/flannel-io/flannel

go 1.22
