// Package datadir says where k3s keeps its state.
package datadir

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/k3s-io/k3s/pkg/version"
)

// DefaultDataDir is the data directory of root.
var DefaultDataDir = "/var/lib/rancher/" + version.Program

// Resolve returns dataDir as an absolute path; an empty one stands for the default of this user.
func Resolve(dataDir string) (string, error) {
	if dataDir != "" {
		return filepath.Abs(dataDir)
	}
	if os.Getuid() == 0 {
		return DefaultDataDir, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("resolving the home directory: %w", err)
	}
	return filepath.Join(home, ".rancher", version.Program), nil
}
