// Package flock keeps two k3s from unpacking into one data directory at the same time.
package flock

import (
	"os"
	"syscall"
)

// Acquire waits for the exclusive lock on the file at path, which is created when it is missing.
// Closing the returned file gives the lock back.
func Acquire(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		file.Close()
		return nil, &os.PathError{Op: "flock", Path: path, Err: err}
	}
	return file, nil
}
