// Package version stands for the real one in the sample.
package version

// These are filled in at linking time.
var (
	Version   = "unknown"
	GitCommit = "unknown"
	BuildTime = "unknown"
)
