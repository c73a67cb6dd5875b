module github.com/containerd/containerd

go 1.22

require github.com/sirupsen/logrus v1.9.3-sample
