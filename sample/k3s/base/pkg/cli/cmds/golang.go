package cmds

import (
	"fmt"
	"runtime"
	"strings"

	"github.com/k3s-io/k3s/pkg/version"
	"github.com/sirupsen/logrus"
)

// ValidateGolang says whether this program was compiled by the Go release Kubernetes asks for.
func ValidateGolang() error {
	if version.UpstreamGolang == "" {
		return fmt.Errorf("kubernetes golang build version not set")
	}
	if toolchain, _, _ := strings.Cut(runtime.Version(), " "); toolchain != version.UpstreamGolang {
		return fmt.Errorf("incorrect golang build version - kubernetes should be built with %s, runtime version is %s",
			version.UpstreamGolang, toolchain)
	}
	return nil
}

// MustValidateGolang ends a server or an agent that was compiled by another Go.
func MustValidateGolang() {
	if err := ValidateGolang(); err != nil {
		logrus.Fatalf("Failed to validate golang version: %v", err)
	}
}
