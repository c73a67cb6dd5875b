// Package version stands for the real one in the sample.
package version

import "runtime"

var (
	// Package, Version and Revision are filled in at linking time.
	Package  = "github.com/containerd/containerd"
	Version  = "unknown"
	Revision = ""

	// GoVersion is the toolchain that compiled the program.
	GoVersion = runtime.Version()
)
