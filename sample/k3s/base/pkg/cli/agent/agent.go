// Package agent is the command `k3s agent`.
package agent

import (
	"context"
	"errors"

	"github.com/k3s-io/k3s/pkg/agent"
	"github.com/k3s-io/k3s/pkg/cli/cmds"
	"github.com/k3s-io/k3s/pkg/version"
	"github.com/sirupsen/logrus"
)

// Run joins a cluster, as far as a sample can: it requires its address.
func Run(ctx context.Context, cfg cmds.Agent) error {
	cmds.MustValidateGolang()
	if cfg.Token == "" {
		return errors.New("--token is required")
	}
	if cfg.ServerURL == "" {
		return errors.New("--server is required")
	}
	logrus.Infof("Starting %s agent %s (%s)", version.Program, version.Version, version.GitCommit)
	return agent.Run(ctx, cfg, version.Program+" agent")
}
