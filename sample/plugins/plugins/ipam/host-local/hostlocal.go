// Package hostlocal stands for the CNI plugin host-local in the sample.
package hostlocal

import (
	"github.com/containernetworking/plugins/pkg/skel"
	"github.com/containernetworking/plugins/pkg/utils/buildversion"
)

// Main is the plugin.
func Main() {
	skel.PluginMain(buildversion.BuildString("host-local"))
}
