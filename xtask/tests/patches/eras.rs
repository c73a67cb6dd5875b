//! Trees in the shape of every era of k3s, as far as patches are concerned.

use std::collections::BTreeMap;
use tempfile::TempDir;

pub const CONSTANT: &str = "pkg/cli/cmds/const_linux.go";
pub const FLAG: &str = "pkg/cli/cmds/agent.go";
pub const CONTAINERD: &str = "pkg/agent/containerd/containerd.go";
/// The function that imports the images.
pub const PRELOAD: &str = "PreloadImages";
/// The file with the settings of the kubelet.
pub const KUBELET: &str = "pkg/daemons/agent/agent_linux.go";
const INSTALL: &str = "install.sh";

/// Differences between the eras, as far as patches are concerned (upstream's master, v1.30 to v1.36).
pub struct Era {
    pub name: &'static str,
    pub pause: Pause,
    pub dead_module: bool,
    pub kubelet: Kubelet,
    downloads: Downloads,
}

/// Forms of the kubelet's settings.
#[derive(PartialEq)]
pub enum Kubelet {
    Arguments,
    Configuration,
}

/// Forms of the URL that the installer downloads from.
enum Downloads {
    Fixed,
    Variable,
    ArtifactUrl,
}

pub enum Pause {
    Constant,
    Flag(&'static str),
}

pub const ERAS: [Era; 4] = [
    Era {
        name: "v1.30.0, v1.31.1",
        pause: Pause::Constant,
        dead_module: true,
        kubelet: Kubelet::Arguments,
        downloads: Downloads::Fixed,
    },
    Era {
        name: "v1.31.4, v1.32.1",
        pause: Pause::Constant,
        dead_module: false,
        kubelet: Kubelet::Arguments,
        downloads: Downloads::Fixed,
    },
    Era {
        name: "v1.32.3 to v1.36.2",
        pause: Pause::Flag("3.6"),
        dead_module: false,
        kubelet: Kubelet::Configuration,
        downloads: Downloads::Variable,
    },
    Era {
        name: "v1.36.3",
        pause: Pause::Flag("3.10.2"),
        dead_module: false,
        kubelet: Kubelet::Configuration,
        downloads: Downloads::ArtifactUrl,
    },
];

const GITHUB_URL: &str = "${GITHUB_URL}/download/${VERSION_K3S}";
const ARTIFACT_URL: &str = "${INSTALL_K3S_ARTIFACT_URL}/${VERSION_URLSAFE}";

/// Lines of the installer that every era has.
const INSTALLER: &str = r#"
setup_env() {
    INSTALL_K3S_CHANNEL_URL=${INSTALL_K3S_CHANNEL_URL:-'https://update.k3s.io/v1-release/channels'}
}
        aarch64)
            ARCH=arm64
            SUFFIX=-${ARCH}
            ;;
# --- use desired k3s version if defined or find version from channel ---
        VERSION_K3S="PR ${INSTALL_K3S_PR}"
        VERSION_K3S="commit ${INSTALL_K3S_COMMIT}"
    else
        info "Finding release for channel ${INSTALL_K3S_CHANNEL}"
    fi
    info "Using ${VERSION_K3S} as release"
"#;

impl Kubelet {
    fn text(&self) -> &'static str {
        match self {
            Kubelet::Arguments => "\tif cfg.Systemd {\n\t\targsMap[\"cgroup-driver\"] = \"systemd\"\n\t}\n",
            Kubelet::Configuration => {
                "func f() *kubeletconfig.KubeletConfiguration {\n\
                 \tif cfg.Systemd {\n\t\tdefaultConfig.CgroupDriver = \"systemd\"\n\t}\n}\n"
            }
        }
    }
}

impl Era {
    /// Returns a few lines in the era's shape.
    pub fn files(&self) -> BTreeMap<&'static str, String> {
        let constant = match self.pause {
            Pause::Constant => "\tDefaultPauseImage  = \"rancher/mirrored-pause:3.6\"\n",
            Pause::Flag(_) => "",
        };
        let default = match self.pause {
            Pause::Constant => "DefaultPauseImage".to_owned(),
            Pause::Flag(tag) => format!("\"rancher/mirrored-pause:{tag}\""),
        };
        let (module, sums) = match self.dead_module {
            true => {
                let module = "inet.af/tcpproxy v0.0.0-20200125044825-b6bb9b5b8252";
                (module, format!("{module} h1:c29tZXRoaW5n\n{module}/go.mod h1:ZWxzZQ==\n"))
            }
            false => {
                let module = "github.com/inetaf/tcpproxy v0.0.0-20240214030015-3ce58045626c";
                (module, format!("{module} h1:c29tZXRoaW5n\n{module}/go.mod h1:ZWxzZQ==\n"))
            }
        };
        BTreeMap::from([
            (CONSTANT, format!("const (\n\tDefaultSnapshotter = \"overlayfs\"\n{constant})\n")),
            (FLAG, format!("\tPauseImageFlag = &cli.StringFlag{{\n\t\tValue:       {default},\n\t}}\n")),
            (
                CONTAINERD,
                format!(
                    "func Run() error {{\n\treturn {PRELOAD}(ctx, cfg)\n}}\n\nfunc {PRELOAD}() error {{\n}}\n"
                ),
            ),
            (KUBELET, self.kubelet.text().to_owned()),
            (INSTALL, self.installer()),
            ("go.mod", format!("module k3s\n\nreplace (\n\ta => b v1\n)\n\nrequire (\n\t{module}\n)\n")),
            ("go.sum", format!("a v1 h1:YQ==\n{sums}z v1 h1:eg==\n")),
        ])
    }

    /// Returns the lines of the installer that patches look for.
    fn installer(&self) -> String {
        let upstream = "https://github.com/k3s-io/k3s/releases";
        let (documented, assigned, used) = match self.downloads {
            Downloads::Fixed => (String::new(), format!("GITHUB_URL={upstream}"), GITHUB_URL),
            Downloads::Variable => {
                (String::new(), format!("GITHUB_URL=${{GITHUB_URL:-{upstream}}}"), GITHUB_URL)
            }
            Downloads::ArtifactUrl => {
                let name = "INSTALL_K3S_ARTIFACT_URL";
                let documented = format!("#   - {name}\n#     Default is {upstream}/download\n#\n");
                (documented, format!("{name}=${{{name}:-{upstream}/download}}"), ARTIFACT_URL)
            }
        };
        format!(
            "{documented}#   - INSTALL_K3S_PR\n#     Defaults to 'https://update.k3s.io/v1-release/channels'.\n\n\
             {assigned}\n{INSTALLER}HASH_URL={used}/sha256sum-${{ARCH}}.txt\nBIN_URL={used}/k3s${{SUFFIX}}\n"
        )
    }

    pub fn tree(&self) -> TempDir {
        super::tree(&self.files())
    }
}
