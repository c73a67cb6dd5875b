// Package version stands for the real one in the sample.
package version

var (
	// Version is the version of the stand-in.
	Version = "3.6.7-sample"
	// GitSHA is filled in at linking time.
	GitSHA = "Not provided (use ./build instead of go build)"
)
