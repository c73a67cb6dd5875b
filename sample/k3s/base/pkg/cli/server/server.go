// Package server is the command `k3s server`.
package server

import (
	"context"
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/k3s-io/k3s/pkg/agent"
	"github.com/k3s-io/k3s/pkg/cli/cmds"
	"github.com/k3s-io/k3s/pkg/components"
	"github.com/k3s-io/k3s/pkg/deploy"
	"github.com/k3s-io/k3s/pkg/static"
	"github.com/k3s-io/k3s/pkg/version"
	"github.com/mattn/go-sqlite3"
	"github.com/sirupsen/logrus"
)

// Run starts the server and the agent inside it, and returns once ctx is done.
func Run(ctx context.Context, cfg cmds.Agent) error {
	cmds.MustValidateGolang()
	logrus.Infof("Starting %s %s (%s)", version.Program, version.Version, version.GitCommit)
	for _, component := range components.All() {
		logrus.Infof("Component %s", component)
	}
	if err := openStorage(); err != nil {
		return err
	}
	if err := stage(cfg); err != nil {
		return err
	}
	return agent.Run(ctx, cfg, version.Program)
}

// openStorage calls into C, so that a server whose C part is missing or wrong does not start.
func openStorage() error {
	const count, want = 100, 5050
	var values []int32
	for value := int32(1); value <= count; value++ {
		values = append(values, value)
	}
	sum, err := sqlite3.Sum(values)
	if err != nil {
		return fmt.Errorf("opening the storage: %w", err)
	}
	if sum != want {
		return fmt.Errorf("opening the storage: C computed %d for the sum of 1 to %d", sum, count)
	}
	logrus.Infof("Storage %s", sqlite3.Description())
	return nil
}

// chartReference finds the charts a manifest asks this server for.
var chartReference = regexp.MustCompile(`/static/(charts/[^"\s]+)`)

// stage writes manifests and charts, and refuses to start when a chart that a manifest names is
// missing: in k3s the helm job would fail for ever, long after the start.
func stage(cfg cmds.Agent) error {
	registry := cfg.SystemDefaultRegistry
	if registry != "" {
		registry += "/"
	}
	manifests, err := deploy.Stage(filepath.Join(cfg.DataDir, "server", "manifests"), map[string]string{
		"%{SYSTEM_DEFAULT_REGISTRY}%":     registry,
		"%{SYSTEM_DEFAULT_REGISTRY_RAW}%": cfg.SystemDefaultRegistry,
		"%{KUBERNETES_API}%":              "127.0.0.1:6443",
	})
	if err != nil {
		return err
	}
	if err := static.Stage(filepath.Join(cfg.DataDir, "server", "static")); err != nil {
		return err
	}
	charts := static.AssetNames()
	for name, content := range manifests {
		for _, reference := range chartReference.FindAllStringSubmatch(content, -1) {
			if !slices.Contains(charts, path.Clean(reference[1])) {
				return fmt.Errorf("manifest %s names %s, which is not among the static files %q", name, reference[1], charts)
			}
		}
	}
	logrus.Infof("Carrying %d manifests and %d charts", len(manifests), len(charts))
	return nil
}
