// Never built: a part of it is missing.
package main

func main() {}
