//go:build !cgo

package sqlite3

import "errors"

// Sum fails: there is no C part.
func Sum([]int32) (int64, error) {
	return 0, errors.New("binary was compiled with CGO_ENABLED=0, go-sqlite3 requires cgo to work")
}

// Description tells that there is no C part.
func Description() string { return "none" }
