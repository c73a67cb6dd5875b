// Package seccomp stands for the real one in the sample: it links libseccomp and asks for its version.
package seccomp

/*
#cgo pkg-config: libseccomp
#include <seccomp.h>
*/
import "C"

// GetLibraryVersion returns the version of libseccomp.
func GetLibraryVersion() (major, minor, micro uint) {
	version := C.seccomp_version()
	return uint(version.major), uint(version.minor), uint(version.micro)
}
