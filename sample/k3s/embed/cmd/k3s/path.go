package main

import (
	"os"
	"path/filepath"
)

// pathList is what comes before the user's PATH: first the CNI plugins, which users may replace.
func pathList(dir string) []string {
	return []string{filepath.Join(filepath.Dir(dir), "cni"), filepath.Join(dir, "bin")}
}

// linkCNI makes the stable directory of CNI plugins: one link for every link of bin whose target is
// literally cni. A plugin there that is not a link was put there by the user, and stays.
func linkCNI(dir string) error {
	stable := filepath.Join(filepath.Dir(dir), "cni")
	if err := os.MkdirAll(stable, 0755); err != nil {
		return err
	}
	bin := filepath.Join(dir, "bin")
	entries, err := os.ReadDir(bin)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		target, _ := os.Readlink(filepath.Join(bin, entry.Name()))
		if target != "cni" && entry.Name() != "cni" {
			continue
		}
		link := filepath.Join(stable, entry.Name())
		if info, err := os.Lstat(link); err == nil {
			if info.Mode().Type() != os.ModeSymlink {
				continue
			}
			if err := os.Remove(link); err != nil {
				return err
			}
		}
		if err := os.Symlink(filepath.Join(bin, "cni"), link); err != nil {
			return err
		}
	}
	return nil
}
