// Package firewall stands for the CNI plugin firewall in the sample.
package firewall

import (
	"github.com/containernetworking/plugins/pkg/skel"
	"github.com/containernetworking/plugins/pkg/utils/buildversion"
)

// Main is the plugin.
func Main() {
	skel.PluginMain(buildversion.BuildString("firewall"))
}
