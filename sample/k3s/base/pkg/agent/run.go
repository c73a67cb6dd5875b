// Package agent is the part of k3s that runs on every node.
package agent

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/k3s-io/k3s/pkg/agent/containerd"
	"github.com/k3s-io/k3s/pkg/cli/cmds"
	"github.com/k3s-io/k3s/pkg/daemons/config"
	"github.com/sirupsen/logrus"
)

// Run starts the node, notifies systemd, and returns once ctx is done.
func Run(ctx context.Context, cfg cmds.Agent, name string) error {
	node := &config.Node{
		Images:      filepath.Join(cfg.DataDir, "agent", "images"),
		AgentConfig: agentConfig(cfg),
		Containerd:  config.Containerd{Root: filepath.Join(cfg.DataDir, "agent", "containerd")},
	}
	if err := containerd.Run(ctx, node); err != nil {
		return err
	}
	logrus.Infof("%s is up and running", name)
	notifyReady()
	<-ctx.Done()
	logrus.Infof("%s is going down", name)
	return nil
}

// agentConfig puts the system default registry before the pause image, unless it is there already,
// and has imported images named after it.
func agentConfig(cfg cmds.Agent) config.Agent {
	node := config.Agent{PauseImage: cfg.PauseImage, Snapshotter: cfg.Snapshotter}
	if registry := cfg.SystemDefaultRegistry; registry != "" {
		node.AirgapExtraRegistry = []string{registry}
		if !strings.HasPrefix(node.PauseImage, registry) {
			node.PauseImage = registry + "/" + node.PauseImage
		}
	}
	return node
}
