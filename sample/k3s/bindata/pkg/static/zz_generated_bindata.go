// Code generated for package static by codegen DO NOT EDIT. (@generated)

//go:build !no_stage

package static

import "fmt"

var assets = []struct{ name, content string }{}

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
