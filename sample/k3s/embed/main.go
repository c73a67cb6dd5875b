// Command k3s is the multicall program without its wrapper.
package main

import (
	"os"

	"github.com/k3s-io/k3s/pkg/cli"
)

func main() {
	cli.Main(os.Args)
}
