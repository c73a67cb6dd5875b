// Package containerd stands for the embedded containerd: it starts nothing, and "imports" image
// archives by reading what they say they hold.
package containerd

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/k3s-io/k3s/pkg/daemons/config"
	"github.com/sirupsen/logrus"
)

// Run would start containerd as a child process; once it is up, images are preloaded from the files
// found in the agent images directory.
func Run(ctx context.Context, cfg *config.Node) error {
	if err := os.MkdirAll(cfg.Containerd.Root, 0711); err != nil {
		return err
	}
	logrus.Infof("Using sandbox image %s with snapshotter %s", cfg.AgentConfig.PauseImage, cfg.AgentConfig.Snapshotter)

	return PreloadImages(ctx, cfg)
}

// PreloadImages imports the archives in the agent images directory. One that cannot be read is
// logged and passed over: it must never keep a node from starting.
func PreloadImages(ctx context.Context, cfg *config.Node) error {
	files, err := os.ReadDir(cfg.Images)
	if err != nil && !os.IsNotExist(err) {
		logrus.Errorf("Unable to read images in %s: %v", cfg.Images, err)
	}
	sandboxAtHand := false
	for _, file := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		path := filepath.Join(cfg.Images, file.Name())
		if file.IsDir() || !strings.HasSuffix(path, ".tar") && !strings.HasSuffix(path, ".tar.zst") {
			continue
		}
		logrus.Infof("Importing images from %s", path)
		tags, err := repoTags(path)
		if err != nil {
			logrus.Errorf("Error encountered while importing %s: %v", path, err)
			continue
		}
		for _, name := range withRetags(tags, cfg.AgentConfig.AirgapExtraRegistry) {
			logrus.Infof("Imported %s", name)
			sandboxAtHand = sandboxAtHand || familiar(name) == familiar(cfg.AgentConfig.PauseImage)
		}
		logrus.Infof("Imported images from %s", path)
	}
	if sandboxAtHand {
		logrus.Infof("Sandbox image %s is at hand: no registry is needed", cfg.AgentConfig.PauseImage)
	} else {
		logrus.Warnf("Sandbox image %s is not at hand: a registry would be asked for it", cfg.AgentConfig.PauseImage)
	}
	return nil
}

// withRetags adds to every name the same path and tag in each registry.
func withRetags(names, registries []string) []string {
	all := names
	for _, name := range names {
		host, path, ok := strings.Cut(name, "/")
		if !ok || host != "localhost" && !strings.ContainsAny(host, ".:") {
			path = name
		}
		for _, registry := range registries {
			all = append(all, registry+"/"+path)
		}
	}
	return all
}

// familiar takes the default registry off a reference, the way people write it.
func familiar(reference string) string {
	return strings.TrimPrefix(strings.TrimPrefix(reference, "docker.io/"), "library/")
}
