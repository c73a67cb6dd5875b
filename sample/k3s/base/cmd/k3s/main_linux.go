//go:build linux

package main

import (
	"fmt"
	"os"
	"syscall"
)

// runExec replaces this process by the unpacked program.
func runExec(path string, args []string) error {
	return fmt.Errorf("exec %s failed: %w", path, syscall.Exec(path, args, os.Environ()))
}
