module github.com/Mirantis/cri-dockerd

go 1.22
