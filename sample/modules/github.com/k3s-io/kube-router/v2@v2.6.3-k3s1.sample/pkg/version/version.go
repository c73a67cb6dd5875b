// Package version stands for the real one in the sample.
package version

// Version and BuildDate are filled in at linking time.
var (
	Version   = "unknown"
	BuildDate = "unknown"
)
