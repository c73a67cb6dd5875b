// Command codegen writes the assets as Go source. It runs on the host, from the top of the tree.
package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"strconv"
)

// bundle is one directory that becomes one generated file.
type bundle struct {
	dir     string
	prefix  string // taken off the names
	goPkg   string
	buildIf string // build constraint, if any
}

var bundles = []bundle{
	{dir: "build/data", goPkg: "data"},
	{dir: "manifests", prefix: "manifests", goPkg: "deploy", buildIf: "!no_stage"},
	{dir: "build/static", prefix: "build/static", goPkg: "static", buildIf: "!no_stage"},
}

func main() {
	for _, b := range bundles {
		source, err := b.source()
		if err == nil {
			err = os.WriteFile(filepath.Join("pkg", b.goPkg, "zz_generated_bindata.go"), source, 0644)
		}
		if err != nil {
			log.Fatalf("generating package %s: %v", b.goPkg, err)
		}
	}
}

// source returns the Go file that carries the directory. One that is missing carries nothing.
func (b bundle) source() ([]byte, error) {
	var out bytes.Buffer
	fmt.Fprintf(&out, "// Code generated for package %s by codegen DO NOT EDIT. (@generated)\n\n", b.goPkg)
	if b.buildIf != "" {
		fmt.Fprintf(&out, "//go:build %s\n\n", b.buildIf)
	}
	fmt.Fprintf(&out, "package %s\n\nimport \"fmt\"\n\n", b.goPkg)
	out.WriteString("var assets = []struct{ name, content string }{\n")
	// WalkDir goes in lexical order, so that equal trees give equal files.
	err := filepath.WalkDir(b.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name := path
		if b.prefix != "" {
			if name, err = filepath.Rel(b.prefix, path); err != nil {
				return err
			}
		}
		fmt.Fprintf(&out, "\t{%q, %s},\n", name, strconv.Quote(string(content)))
		return nil
	})
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	out.WriteString(accessors)
	return out.Bytes(), nil
}

const accessors = `}

// AssetNames returns the names of all assets, sorted.
func AssetNames() []string {
	var names []string
	for _, asset := range assets {
		names = append(names, asset.name)
	}
	return names
}

// Asset returns the content of one asset.
func Asset(name string) ([]byte, error) {
	for _, asset := range assets {
		if asset.name == name {
			return []byte(asset.content), nil
		}
	}
	return nil, fmt.Errorf("Asset %s not found", name)
}
`
