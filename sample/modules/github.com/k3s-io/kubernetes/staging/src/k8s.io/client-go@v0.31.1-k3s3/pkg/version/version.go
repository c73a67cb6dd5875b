// Package version holds what the linker says about Kubernetes, as k8s.io/client-go has it.
package version

var (
	gitVersion   = "v0.0.0-sample"
	gitCommit    = ""
	gitTreeState = ""
	buildDate    = "1970-01-01T00:00:00Z"
)

// Info is what the linker said.
type Info struct {
	GitVersion, GitCommit, GitTreeState, BuildDate string
}

// Get returns what the linker said.
func Get() Info {
	return Info{gitVersion, gitCommit, gitTreeState, buildDate}
}

// String returns the version with its commit.
func (i Info) String() string {
	return i.GitVersion + " (commit " + i.GitCommit + ", " + i.GitTreeState + ", " + i.BuildDate + ")"
}
