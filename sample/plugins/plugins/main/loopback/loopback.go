// Package loopback stands for the CNI plugin loopback in the sample.
package loopback

import (
	"github.com/containernetworking/plugins/pkg/skel"
	"github.com/containernetworking/plugins/pkg/utils/buildversion"
)

// Main is the plugin.
func Main() {
	skel.PluginMain(buildversion.BuildString("loopback"))
}
