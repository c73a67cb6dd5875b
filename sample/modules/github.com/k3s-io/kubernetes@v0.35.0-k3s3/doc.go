// Package kubernetes stands for the real one in the sample, which is asked for its version and for
// the Go release it was built with.
package kubernetes
