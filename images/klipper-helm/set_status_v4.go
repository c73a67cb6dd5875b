package main

import (
	"fmt"
	"os"

	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/cli"
	"helm.sh/helm/v4/pkg/release/common"
	release "helm.sh/helm/v4/pkg/release/v1"
)

// init adds the command `helm set-status NAME failed`: set_status_v3.go with the packages of helm v4.
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
	settings := cli.New()
	config := new(action.Configuration)
	if err := config.Init(settings.RESTClientGetter(), settings.Namespace(), os.Getenv("HELM_DRIVER")); err != nil {
		return err
	}
	found, err := config.Releases.Last(name)
	if err != nil {
		return err
	}
	last, ok := found.(*release.Release)
	if !ok {
		return fmt.Errorf("found a release of the unknown type %T", found)
	}
	last.SetStatus(common.StatusFailed, "interrupted: status set by klipper-helm")
	return config.Releases.Update(last)
}
