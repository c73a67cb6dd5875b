//go:build cgo && libsqlite3

package sqlite3

/*
#cgo linux LDFLAGS: -lsqlite3

// The tag asks for the library of the system, as it does in the real package. It is declared here,
// so that a missing library is what the linker complains about, not a missing header.
const char *sqlite3_libversion(void);
*/
import "C"

// Library is the version of the library of the system.
var Library = C.GoString(C.sqlite3_libversion())
