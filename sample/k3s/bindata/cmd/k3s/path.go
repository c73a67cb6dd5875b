package main

import "path/filepath"

// pathList is what comes before the user's PATH.
func pathList(dir string) []string {
	return []string{filepath.Join(dir, "bin")}
}

// linkCNI does nothing: releases of this layout had no stable directory of CNI plugins.
func linkCNI(string) error {
	return nil
}
