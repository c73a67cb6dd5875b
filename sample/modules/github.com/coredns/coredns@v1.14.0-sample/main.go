// coredns stands for the program of an image: it knows its version and nothing else.
package main

import "fmt"

// Version is set by the linker.
var Version = "unset"

func main() {
	fmt.Println("CoreDNS-" + Version)
}
