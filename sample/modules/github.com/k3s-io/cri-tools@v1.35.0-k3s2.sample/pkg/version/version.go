// Package version stands for the real one in the sample.
package version

// Version is filled in at linking time.
var Version = "unknown"
