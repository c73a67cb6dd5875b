package agent

import (
	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"
	kubeletconfig "k8s.io/kubelet/config/v1beta1"
)

// cgroupV1Statfs returns the type of a file system.
var cgroupV1Statfs = unix.Statfs

// allowCgroupV1 lets the kubelet start on a host with the legacy or the hybrid cgroup hierarchy, as the
// kubelet itself recognizes them: /sys/fs/cgroup is no cgroup2 file system. An argument of the user's,
// --kubelet-arg=fail-cgroupv1=true, takes precedence, as does a configuration file of the user's.
func allowCgroupV1(config *kubeletconfig.KubeletConfiguration) {
	var mounted unix.Statfs_t
	if err := cgroupV1Statfs("/sys/fs/cgroup", &mounted); err != nil || mounted.Type == unix.CGROUP2_SUPER_MAGIC {
		return
	}
	allowed := false
	config.FailCgroupV1 = &allowed
	logrus.Warn("This host uses cgroup v1, which Kubernetes will remove: " +
		"boot it with systemd.unified_cgroup_hierarchy=1 on the kernel command line to use cgroup v2")
}
