// Command server is bin/k3s of the data directory: every command of k3s, chosen by its name.
package main

import (
	"os"

	"github.com/k3s-io/k3s/pkg/cli"
)

func main() {
	cli.Main(os.Args)
}
