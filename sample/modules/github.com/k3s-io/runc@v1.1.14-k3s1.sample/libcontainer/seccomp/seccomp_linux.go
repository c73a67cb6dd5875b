//go:build cgo && seccomp

// Package seccomp stands for the real one in the sample: it asks libseccomp for its version.
package seccomp

import libseccomp "github.com/seccomp/libseccomp-golang"

// Enabled tells whether libseccomp is linked.
const Enabled = true

// Version returns the version of libseccomp.
func Version() (major, minor, micro uint) {
	return libseccomp.GetLibraryVersion()
}
