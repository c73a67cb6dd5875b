module sigs.k8s.io/cri-tools

go 1.22
