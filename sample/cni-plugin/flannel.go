// The CNI plugin flannel of the sample. The multicall program takes it in as a package: its package
// clause and its main function are renamed before it is compiled.
package main

import (
	"fmt"
	"runtime"

	"github.com/containernetworking/plugins/pkg/skel"
)

// These are filled in at linking time.
var (
	Program   string
	Version   string
	Commit    string
	buildDate string
)

func main() {
	skel.PluginMain(fmt.Sprintf("CNI Plugin %s version %s (%s/%s) commit %s built on %s (sample)",
		Program, Version, runtime.GOOS, runtime.GOARCH, Commit, buildDate))
}
