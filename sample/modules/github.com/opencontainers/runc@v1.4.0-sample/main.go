// Command runc stands for the real one in the sample: it knows its version and its libseccomp.
package main

import (
	_ "embed"
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/opencontainers/runc/libcontainer/seccomp"
)

//go:embed VERSION
var version string

// extraVersion and gitCommit are filled in by the linker.
var extraVersion, gitCommit string

func main() {
	if len(os.Args) != 2 || os.Args[1] != "--version" && os.Args[1] != "-v" {
		fmt.Fprintln(os.Stderr, "runc: this is a sample, not runc: it only knows its --version")
		os.Exit(1)
	}
	fmt.Println("runc version", strings.TrimSpace(version)+extraVersion)
	if gitCommit != "" {
		fmt.Println("commit:", gitCommit)
	}
	fmt.Println("spec: 1.3.0")
	fmt.Println("go:", runtime.Version())
	if seccomp.Enabled {
		major, minor, micro := seccomp.Version()
		fmt.Printf("libseccomp: %d.%d.%d\n", major, minor, micro)
	}
}
