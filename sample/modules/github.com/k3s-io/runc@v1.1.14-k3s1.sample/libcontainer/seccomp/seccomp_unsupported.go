//go:build !cgo || !seccomp

package seccomp

// Enabled tells whether libseccomp is linked.
const Enabled = false

// Version returns zeros: libseccomp is not linked.
func Version() (major, minor, micro uint) {
	return 0, 0, 0
}
