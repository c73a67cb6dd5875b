//go:build tools

package components

// Modules that are only asked for their version.
import (
	_ "github.com/Microsoft/hcsshim"
	_ "github.com/flannel-io/flannel"
	_ "k8s.io/kubernetes"
)
