// Package bandwidth stands for the CNI plugin bandwidth in the sample.
package bandwidth

import (
	"github.com/containernetworking/plugins/pkg/skel"
	"github.com/containernetworking/plugins/pkg/utils/buildversion"
)

// Main is the plugin.
func Main() {
	skel.PluginMain(buildversion.BuildString("bandwidth"))
}
