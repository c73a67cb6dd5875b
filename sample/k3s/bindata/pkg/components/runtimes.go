package components

import (
	"fmt"

	containerd "github.com/containerd/containerd/version"
	"github.com/opencontainers/runc/libcontainer/seccomp"
)

// Containerd returns the module and the version of the embedded containerd.
func Containerd() string {
	return containerd.Package + " " + containerd.Version
}

// runtimes are the parts that run containers. In this layout the server itself links libseccomp,
// through runc's library.
func runtimes() []string {
	major, minor, micro := seccomp.Version()
	return []string{"containerd " + Containerd(), fmt.Sprintf("libseccomp %d.%d.%d", major, minor, micro)}
}
