module k8s.io/kubernetes

go 1.22

// This alone brings runc into the module graph of the layout that names it in a replace only.
require github.com/opencontainers/runc v1.2.5 // indirect
