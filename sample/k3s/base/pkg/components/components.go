// Package components prints the versions that the linker set for the components of k3s. A wrong -X path is
// silently ignored by the linker: here it shows as a part that does not know its version.
package components

import (
	"fmt"

	dockerd "github.com/Mirantis/cri-dockerd/cmd/version"
	kuberouter "github.com/cloudnativelabs/kube-router/v2/pkg/version"
	"github.com/k3s-io/helm-controller/pkg/controllers/chart"
	"github.com/k3s-io/k3s/pkg/cloudprovider"
	etcd "go.etcd.io/etcd/api/v3/version"
	client "k8s.io/client-go/pkg/version"
	base "k8s.io/component-base/version"
	crictl "sigs.k8s.io/cri-tools/pkg/version"
)

// All returns one line for each part.
func All() []string {
	return append(runtimes(),
		"kubernetes "+base.Get().String(),
		"client-go "+client.Get().String(),
		"cri-tools "+crictl.Version,
		fmt.Sprintf("kube-router %s, built %s", kuberouter.Version, kuberouter.BuildDate),
		fmt.Sprintf("cri-dockerd %s (%s), built %s", dockerd.Version, dockerd.GitCommit, dockerd.BuildTime),
		fmt.Sprintf("etcd %s (%s)", etcd.Version, etcd.GitSHA),
		"helm job "+chart.DefaultJobImage,
		"service load balancer "+cloudprovider.DefaultLBImage,
	)
}
