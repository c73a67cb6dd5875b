// Package skel is what every plugin has in common: the CNI command VERSION, and an account of itself
// when there is no command. All other commands fail: a sample connects no pod.
package skel

import (
	"fmt"
	"os"
)

// PluginMain does what CNI_COMMAND says.
func PluginMain(about string) {
	switch command := os.Getenv("CNI_COMMAND"); command {
	case "":
		fmt.Fprintln(os.Stderr, about)
	case "VERSION":
		fmt.Println(`{"cniVersion":"1.1.0","supportedVersions":["0.4.0","1.0.0","1.1.0"]}`)
	default:
		fmt.Printf(`{"code":4,"msg":"CNI_COMMAND %s: this is a sample"}`+"\n", command)
		os.Exit(1)
	}
}
