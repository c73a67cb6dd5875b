// Command runc stands for the real one in the sample: it knows its version and its libseccomp.
package main

import (
	"fmt"
	"os"
	"runtime"

	"github.com/opencontainers/runc/libcontainer/seccomp"
)

var (
	// version comes from the file VERSION, and gitCommit from git, by the linker's -X.
	version   = "unknown"
	gitCommit = ""
)

func main() {
	if len(os.Args) != 2 || os.Args[1] != "--version" && os.Args[1] != "-v" {
		fmt.Fprintln(os.Stderr, "runc: this is a sample, not runc: it only knows its --version")
		os.Exit(1)
	}
	fmt.Println("runc version", version)
	if gitCommit != "" {
		fmt.Println("commit:", gitCommit)
	}
	fmt.Println("spec: 1.0.2-dev")
	fmt.Println("go:", runtime.Version())
	if seccomp.Enabled {
		major, minor, micro := seccomp.Version()
		fmt.Printf("libseccomp: %d.%d.%d\n", major, minor, micro)
	}
}
