//go:generate go run pkg/codegen/main.go
//go:generate go fmt pkg/deploy/zz_generated_bindata.go
//go:generate go fmt pkg/static/zz_generated_bindata.go

// Command k3s is the multicall program without its wrapper.
package main

import (
	"os"

	"github.com/k3s-io/k3s/pkg/cli"
)

func main() {
	cli.Main(os.Args)
}
