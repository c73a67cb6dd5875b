package components

import containerd "github.com/containerd/containerd/v2/version"

// Containerd returns the module and the version of the embedded containerd.
func Containerd() string {
	return containerd.Package + " " + containerd.Version
}

// runtimes are the parts that run containers.
func runtimes() []string {
	return []string{"containerd " + Containerd()}
}
