// Command containerd-shim-runc-v2 stands for the real one in the sample: it knows its version.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/containerd/containerd/version"
	"github.com/sirupsen/logrus"
)

func main() {
	showVersion := flag.Bool("v", false, "show the shim version and exit")
	flag.Parse()
	if !*showVersion {
		logrus.Fatal("this is a sample, not a shim: it only knows its version (-v)")
	}
	fmt.Printf("%s:\n", filepath.Base(os.Args[0]))
	fmt.Println("  Version: ", version.Version)
	fmt.Println("  Revision:", version.Revision)
	fmt.Println("  Go version:", version.GoVersion)
	fmt.Println()
}
