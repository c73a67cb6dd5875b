//go:build cgo && seccomp

// Package seccomp stands for the real one in the sample: it asks libseccomp for its version.
package seccomp

/*
#cgo pkg-config: libseccomp
#include <seccomp.h>
*/
import "C"

// Enabled tells whether libseccomp is linked.
const Enabled = true

// Version returns the version of libseccomp.
func Version() (major, minor, micro uint) {
	version := C.seccomp_version()
	return uint(version.major), uint(version.minor), uint(version.micro)
}
