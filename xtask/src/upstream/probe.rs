//! Facts about a build, read from the patched tree.

use super::commands::Commands;
use super::layout::EmbedMethod;
use super::release::Source;
use super::script_probe::{self, Answers, ScriptTrust};
use crate::clock;
use crate::context::Context;
use crate::target::Target;
use crate::toolchain::go::AnyGo;
use crate::toolchain::gomod::{GoMod, Resolved};
use anyhow::{Context as _, Result, anyhow};
use fs_err as fs;
use std::path::Path;

/// Everything that a build takes from the tree, probed from files and never from the version.
#[derive(Clone, Debug)]
pub struct Facts {
    pub embed_method: EmbedMethod,
    /// The Go release, without `go`, that upstream's Kubernetes is built with.
    pub golang: String,
    pub gomod: GoMod,
    /// The module that the shim is compiled in.
    pub containerd: Resolved,
    /// The module that runc is compiled in.
    pub runc: Resolved,
    pub commands: Commands,
    /// Set if the server links libseccomp, through runc packages it imports (up to v1.31).
    pub server_has_seccomp: bool,
    /// The largest size upstream allows the binary, in MiB (scripts/binary_size_check.sh).
    pub max_binary_mib: Option<u64>,
}

impl Facts {
    /// Reads a tree as it is built, with the patches applied.
    pub fn read(
        context: &Context,
        go: &AnyGo,
        tree: &Path,
        gomod: GoMod,
        source: &Source,
        target: &Target,
        trust: ScriptTrust,
    ) -> Result<Facts> {
        let kubernetes = gomod.kubernetes()?;
        let golang = golang(&go.module(context, &kubernetes, tree)?)
            .with_context(|| format!("finding the Go that builds {kubernetes}"))?;
        let version = source.version.to_string();
        let answers = Answers {
            goarch: target.go,
            version: &version,
            commit: &source.commit.id,
            golang: &golang,
            date: &clock::rfc3339(source.time),
        };
        let commands = script_probe::run(context, tree, &gomod, &answers, trust)?;
        let containerd = gomod
            .resolve_any(&["github.com/containerd/containerd/v2", "github.com/containerd/containerd"])?;
        let runc = gomod.resolve_any(&["github.com/opencontainers/runc"])?;
        for module in [&containerd, &runc] {
            require_inside(tree, module)?;
        }
        Ok(Facts {
            embed_method: EmbedMethod::of(tree)?,
            containerd,
            runc,
            server_has_seccomp: gomod.resolve("github.com/seccomp/libseccomp-golang").is_some(),
            max_binary_mib: max_binary_mib(tree)?,
            golang,
            gomod,
            commands,
        })
    }
}

/// Checks that the go.mod of a directory in which an executable is compiled does not lead out of the tree.
fn require_inside(tree: &Path, module: &Resolved) -> Result<()> {
    match module {
        Resolved::Fetched(_) => Ok(()),
        Resolved::Local(local) => GoMod::below(tree, &format!("{}/go.mod", local.directory)).map(drop),
    }
}

/// The files of Kubernetes' module that [`golang`] reads, the first that is there.
pub const GO_VERSION_FILES: [&str; 2] = [".go-version", "build/dependencies.yaml"];

/// Returns the Go release that Kubernetes is built with, from a checkout or the module cache.
fn golang(kubernetes: &Path) -> Result<String> {
    let [file, list] = GO_VERSION_FILES;
    if let Ok(text) = fs::read_to_string(kubernetes.join(file)) {
        return Ok(text.trim().to_owned());
    }
    let path = kubernetes.join(list);
    let text = fs::read_to_string(&path)?;
    golang_dependency(&text).ok_or_else(|| anyhow!("{} has no \"golang: upstream version\"", path.display()))
}

/// Returns the version of the entry `golang: upstream version` in Kubernetes' build/dependencies.yaml.
fn golang_dependency(yaml: &str) -> Option<String> {
    let entry = yaml.split("- name: ").find(|entry| {
        entry.lines().next().is_some_and(|line| line.trim().trim_matches('"') == "golang: upstream version")
    })?;
    let version = entry.lines().find_map(|line| line.trim().strip_prefix("version:"))?;
    Some(version.trim().trim_matches('"').to_owned())
}

/// `MAX_BINARY_MB` of scripts/binary_size_check.sh.
fn max_binary_mib(tree: &Path) -> Result<Option<u64>> {
    let path = tree.join("scripts/binary_size_check.sh");
    if !path.is_file() {
        return Ok(None);
    }
    let text = fs::read_to_string(path)?;
    Ok(text.lines().find_map(|line| line.trim().strip_prefix("MAX_BINARY_MB=")?.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_go_release_of_kubernetes() {
        let yaml = "dependencies:\n  - name: \"agnhost\"\n    version: 2.52\n  - name: \"golang: upstream version\"\n    version: 1.22.6\n    refPaths:\n  - name: \"golang: 1.<major>\"\n    version: 1.22\n";
        assert_eq!(golang_dependency(yaml).as_deref(), Some("1.22.6"));
        assert_eq!(golang_dependency("dependencies:\n"), None);
    }
}
