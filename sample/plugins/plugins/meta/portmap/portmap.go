// Package portmap stands for the CNI plugin portmap in the sample.
package portmap

import (
	"github.com/containernetworking/plugins/pkg/skel"
	"github.com/containernetworking/plugins/pkg/utils/buildversion"
)

// Main is the plugin.
func Main() {
	skel.PluginMain(buildversion.BuildString("portmap"))
}
