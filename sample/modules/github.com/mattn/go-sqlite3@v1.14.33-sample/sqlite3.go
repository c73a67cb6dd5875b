//go:build cgo

// Package sqlite3 stands for the real one in the sample: a sum computed in C, so that a server
// without its C part, or with the wrong one, does not start.
package sqlite3

/*
#include "sum.h"
*/
import "C"

import "fmt"

// Sum adds values in C.
func Sum(values []int32) (int64, error) {
	if len(values) == 0 {
		return 0, nil
	}
	return int64(C.sample_sum((*C.int)(&values[0]), C.size_t(len(values)))), nil
}

// Description tells how the C part was compiled.
func Description() string {
	return fmt.Sprintf("stand-in for SQLite in C: optimised=%t dbstat=%t alloca=%t",
		C.sample_optimised != 0, C.sample_dbstat != 0, C.sample_alloca != 0)
}
