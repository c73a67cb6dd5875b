package agent

import (
	"errors"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"
	kubeletconfig "k8s.io/kubelet/config/v1beta1"
)

// configured returns the setting on a host whose hierarchy has this type, and what was logged.
func configured(t *testing.T, kind int64, err error) (*bool, []string) {
	t.Helper()
	cgroupV1Statfs = func(path string, mounted *unix.Statfs_t) error {
		if path != "/sys/fs/cgroup" {
			t.Errorf("looked at %s", path)
		}
		mounted.Type = kind
		return err
	}
	logrus.Warnings = nil
	config := &kubeletconfig.KubeletConfiguration{}
	allowCgroupV1(config)
	return config.FailCgroupV1, logrus.Warnings
}

func TestLegacyHierarchyIsAllowedWithOneWarning(t *testing.T) {
	const tmpfs = 0x01021994
	setting, logged := configured(t, tmpfs, nil)
	if setting == nil || *setting {
		t.Errorf("failCgroupV1 is %v", setting)
	}
	if len(logged) != 1 || !strings.Contains(logged[0], "systemd.unified_cgroup_hierarchy=1") || !strings.Contains(logged[0], "remove") {
		t.Errorf("logged %q", logged)
	}
}

func TestUnifiedHierarchyIsLeftAsItIs(t *testing.T) {
	if setting, logged := configured(t, unix.CGROUP2_SUPER_MAGIC, nil); setting != nil || len(logged) != 0 {
		t.Errorf("failCgroupV1 is %v, logged %q", setting, logged)
	}
}

func TestUnknownHierarchyIsLeftAsItIs(t *testing.T) {
	if setting, logged := configured(t, 0, errors.New("no such file")); setting != nil || len(logged) != 0 {
		t.Errorf("failCgroupV1 is %v, logged %q", setting, logged)
	}
}
