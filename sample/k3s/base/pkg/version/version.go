// Package version contains the values that the linker sets by -X.
package version

import "strings"

var (
	Program      = "k3s"
	ProgramUpper = strings.ToUpper(Program)
	Version      = "dev"
	GitCommit    = "HEAD"

	// UpstreamGolang is the Go release Kubernetes was built with, in the form of runtime.Version.
	UpstreamGolang = ""
)
