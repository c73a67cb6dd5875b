package main

import (
	"fmt"
	"os"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/release"
)

// init adds the command `helm set-status NAME failed`. helm refuses to upgrade a release that an interrupted helm
// left pending, and no command of its own changes the status alone: rollback and uninstall change the workload too.
// Upstream's image has a plugin for this, a second program as large as helm. The file is compiled in cmd/helm.
func init() {
	if len(os.Args) < 2 || os.Args[1] != "set-status" {
		return
	}
	if len(os.Args) != 4 || os.Args[3] != "failed" {
		fmt.Fprintln(os.Stderr, "usage: helm set-status NAME failed")
		os.Exit(64)
	}
	if err := setFailed(os.Args[2]); err != nil {
		fmt.Fprintf(os.Stderr, "Error: setting the status of release %s: %v\n", os.Args[2], err)
		os.Exit(1)
	}
	os.Exit(0)
}

// setFailed marks the last revision as failed, in the storage that HELM_DRIVER names.
func setFailed(name string) error {
	config := new(action.Configuration)
	if err := config.Init(settings.RESTClientGetter(), settings.Namespace(), os.Getenv("HELM_DRIVER"), debug); err != nil {
		return err
	}
	last, err := config.Releases.Last(name)
	if err != nil {
		return err
	}
	last.SetStatus(release.StatusFailed, "interrupted: status set by klipper-helm")
	return config.Releases.Update(last)
}
