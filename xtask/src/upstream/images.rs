//! Default images of a node, with the places in a tree that set each of them.
//!
//! `scripts/airgap/image-list.txt` is upstream's own list, but the images that a node pulls are set in manifests, in Go
//! code and by the linker. Both are read and compared, so that an image that is only listed, or only set, is shown.

use crate::image::spots::{Form, Spot, spots};
use crate::toolchain::gomod::GoMod;
use anyhow::{Context as _, Result, bail};
use fs_err as fs;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

const LIST: &str = "scripts/airgap/image-list.txt";
const MANIFESTS: &str = "manifests";
const LOAD_BALANCER: &str = "pkg/cloudprovider/servicelb.go";
/// The files of the pause image over time; the later one wins, since it may refer to the earlier.
const PAUSE: [&str; 2] = ["pkg/cli/cmds/const_linux.go", "pkg/cli/cmds/agent.go"];
const VERSIONS: &str = "scripts/version.sh";
const BUILD: &str = "scripts/build";
const GO_MOD: &str = "go.mod";
/// The module whose variable `DefaultJobImage` names the image of Helm jobs where nothing else does.
const HELM_CONTROLLER: &str = "github.com/k3s-io/helm-controller";
const HELM_REPOSITORY: &str = "rancher/klipper-helm";

/// An image, by its reference without `docker.io/`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DefaultImage {
    pub reference: String,
    /// Set if upstream's list names it.
    pub listed: bool,
    /// The places that set it; none if it is only listed.
    pub settings: Vec<Setting>,
}

/// A place that sets an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// Name of the setting.
    pub by: String,
}

impl fmt::Display for DefaultImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.reference)?;
        for Setting { file, line, by } in &self.settings {
            write!(f, "\n    {file}:{line}  {by}")?;
        }
        if self.settings.is_empty() {
            write!(f, "\n    listed in {LIST}, set nowhere")?;
        }
        if !self.listed {
            write!(f, "\n    not listed in {LIST}")?;
        }
        Ok(())
    }
}

/// Returns the default images of a tree, sorted by reference.
///
/// # Errors
/// If the directory is no k3s tree (it has no list of images) or one of its files cannot be read.
pub fn of_tree(tree: &Path) -> Result<Vec<DefaultImage>> {
    if !tree.join(LIST).is_file() {
        bail!("{} has no {LIST}, so it is not a k3s source tree", tree.display());
    }
    let mut files = BTreeMap::new();
    for name in [LIST, LOAD_BALANCER, PAUSE[0], PAUSE[1], VERSIONS, BUILD, GO_MOD] {
        if tree.join(name).is_file() {
            files.insert(name.to_owned(), fs::read_to_string(tree.join(name))?);
        }
    }
    for entry in walkdir::WalkDir::new(tree.join(MANIFESTS)) {
        let entry = entry.context("looking for manifests")?;
        if entry.file_type().is_file() && entry.path().extension().is_some_and(|name| name == "yaml") {
            let name = entry.path().strip_prefix(tree)?.to_string_lossy().into_owned();
            files.insert(name, fs::read_to_string(entry.path())?);
        }
    }
    Ok(of_files(&files))
}

/// Returns the default images that these files (path below the tree, and text) list and set.
pub fn of_files(files: &BTreeMap<String, String>) -> Vec<DefaultImage> {
    let list = files.get(LIST).map_or("", String::as_str);
    let listed: Vec<String> = spots(list).iter().map(Spot::reference).collect();
    let mut places: BTreeMap<String, Vec<Setting>> =
        listed.iter().map(|reference| (reference.clone(), Vec::new())).collect();
    for (reference, place) in settings(files, &listed) {
        places.entry(reference).or_default().push(place);
    }
    let image =
        |(reference, settings)| DefaultImage { listed: listed.contains(&reference), reference, settings };
    places.into_iter().map(image).collect()
}

/// Returns every reference with the place that sets it.
fn settings(files: &BTreeMap<String, String>, listed: &[String]) -> Vec<(String, Setting)> {
    let mut found = Vec::new();
    for (file, text) in files.iter().filter(|(file, _)| file.starts_with(MANIFESTS)) {
        let images = spots(text).into_iter().filter(|spot| spot.key == "image:" || spot.form == Form::Split);
        found.extend(images.map(|spot| set(file, &spot, "manifest")));
    }
    let text = |file: &str| files.get(file).map_or("", String::as_str);
    let on_line = |file: &str, word: &str, by: &str| {
        let line_of =
            |spot: &Spot<'_>| text(file).lines().nth(spot.line - 1).unwrap_or_default().contains(word);
        spots(text(file)).into_iter().find(line_of).map(|spot| set(file, &spot, by))
    };
    found.extend(on_line(LOAD_BALANCER, "DefaultLBImage", "DefaultLBImage"));
    found.extend(on_line(PAUSE[0], "DefaultPauseImage", "DefaultPauseImage"));
    found.extend(pause_flag(text(PAUSE[1])));
    found.extend(helm_job(text(VERSIONS), text(BUILD)).or_else(|| helm_module(text(GO_MOD), listed)));
    found
}

fn set(file: &str, spot: &Spot<'_>, by: &str) -> (String, Setting) {
    (spot.reference(), Setting { file: file.to_owned(), line: spot.line, by: by.to_owned() })
}

/// Returns the default of the flag `--pause-image`, if it is in the flag and not in a constant.
fn pause_flag(agent: &str) -> Option<(String, Setting)> {
    let flag = agent.lines().position(|line| line.contains("PauseImageFlag") && line.contains('='))?;
    let value = |line: &&str| line.trim_start().starts_with("Value:");
    let line = flag + agent.lines().skip(flag).position(|line| value(&line))? + 1;
    let spot = spots(agent).into_iter().find(|spot| spot.line == line)?;
    Some(set(PAUSE[1], &spot, "the default of --pause-image"))
}

/// Returns the image of Helm jobs as `scripts/build` hands it to the linker: `…:${VERSION_HELM_JOB}`.
fn helm_job(versions: &str, build: &str) -> Option<(String, Setting)> {
    let (line, value) = versions.lines().enumerate().find_map(|(index, line)| {
        let value = line.trim_start().strip_prefix("VERSION_HELM_JOB=")?;
        Some((index + 1, value.trim().trim_matches('"')))
    })?;
    let (_, image) = build.lines().find_map(|line| line.split_once("DefaultJobImage="))?;
    let image = image.split_whitespace().next()?.replace("${VERSION_HELM_JOB}", value);
    let by = "VERSION_HELM_JOB, by the linker".to_owned();
    Some((image, Setting { file: VERSIONS.to_owned(), line, by }))
}

/// Returns the image of Helm jobs if only a Go module names it: the list has the tag.
fn helm_module(go_mod: &str, listed: &[String]) -> Option<(String, Setting)> {
    let module = GoMod::parse(go_mod).ok()?.resolve(HELM_CONTROLLER)?;
    let line = go_mod.lines().position(|line| line.contains(HELM_CONTROLLER))? + 1;
    let reference = listed.iter().find(|reference| {
        reference.rsplit_once(':').is_some_and(|(repository, _)| repository == HELM_REPOSITORY)
    })?;
    let by = format!("DefaultJobImage of {module}; the tag is in the list");
    Some((reference.clone(), Setting { file: GO_MOD.to_owned(), line, by }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> BTreeMap<String, String> {
        files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    /// Returns each image on a line: its reference, whether it is listed, and its places.
    fn described(files: &[(&str, &str)]) -> Vec<String> {
        let line = |image: DefaultImage| {
            let places: Vec<String> =
                image.settings.iter().map(|p| format!("{}:{}", p.file, p.line)).collect();
            format!("{} {} {}", image.reference, image.listed, places.join(" ")).trim_end().to_owned()
        };
        of_files(&tree(files)).into_iter().map(line).collect()
    }

    #[test]
    fn reads_layout_up_to_v1_32_1() {
        let found = described(&[
            (
                LIST,
                "docker.io/rancher/klipper-helm:v0.8.2\ndocker.io/rancher/klipper-lb:v0.4.4\n\
                 docker.io/rancher/mirrored-coredns-coredns:1.10.1\ndocker.io/rancher/mirrored-pause:3.6\n",
            ),
            (LOAD_BALANCER, "var (\n\tDefaultLBImage = \"rancher/klipper-lb:v0.4.4\"\n)\n"),
            (PAUSE[0], "const (\n\tDefaultPauseImage  = \"rancher/mirrored-pause:3.6\"\n)\n"),
            (PAUSE[1], "PauseImageFlag = &cli.StringFlag{\n\tValue: DefaultPauseImage,\n"),
            (
                "manifests/coredns.yaml",
                "image: %{SYSTEM_DEFAULT_REGISTRY}%rancher/mirrored-coredns-coredns:1.10.1\n",
            ),
            (GO_MOD, "module x\n\nrequire (\n\tgithub.com/k3s-io/helm-controller v0.15.4\n)\n"),
        ]);
        let expected = [
            "rancher/klipper-helm:v0.8.2 true go.mod:4",
            "rancher/klipper-lb:v0.4.4 true pkg/cloudprovider/servicelb.go:2",
            "rancher/mirrored-coredns-coredns:1.10.1 true manifests/coredns.yaml:1",
            "rancher/mirrored-pause:3.6 true pkg/cli/cmds/const_linux.go:2",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn reads_layout_from_v1_35_on() {
        let found = described(&[
            (
                LIST,
                "docker.io/rancher/klipper-helm:v0.9.12\ndocker.io/rancher/mirrored-library-traefik:3.6.7\n\
                 docker.io/rancher/mirrored-pause:3.6\n",
            ),
            (PAUSE[0], "const DefaultSnapshotter = \"overlayfs\"\n"),
            (
                PAUSE[1],
                "\tPauseImageFlag = &cli.StringFlag{\n\t\tName: \"pause-image\",\n\
                 \t\tValue:       \"rancher/mirrored-pause:3.6\",\n\t}\n",
            ),
            (
                "manifests/traefik.yaml",
                "    image:\n      repository: \"rancher/mirrored-library-traefik\"\n      tag: \"3.6.7\"\n",
            ),
            (VERSIONS, "x=1\nVERSION_HELM_JOB=\"v0.9.12\"\n"),
            (BUILD, "    -X a/chart.DefaultJobImage=rancher/klipper-helm:${VERSION_HELM_JOB}\n"),
            (GO_MOD, "module x\nrequire github.com/k3s-io/helm-controller v0.16.17\n"),
        ]);
        let expected = [
            "rancher/klipper-helm:v0.9.12 true scripts/version.sh:2",
            "rancher/mirrored-library-traefik:3.6.7 true manifests/traefik.yaml:2",
            "rancher/mirrored-pause:3.6 true pkg/cli/cmds/agent.go:3",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn shows_images_only_listed_and_only_set() {
        let files = [
            (LIST, "docker.io/rancher/mirrored-pause:3.6\n"),
            (PAUSE[0], "const DefaultPauseImage = \"me/pause:v1\"\n"),
        ];
        let said: Vec<String> = of_files(&tree(&files)).iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "me/pause:v1\n    pkg/cli/cmds/const_linux.go:1  DefaultPauseImage\n    \
                 not listed in scripts/airgap/image-list.txt",
                "rancher/mirrored-pause:3.6\n    listed in scripts/airgap/image-list.txt, set nowhere",
            ]
        );
    }

    #[test]
    fn rejects_other_directories() {
        let directory = tempfile::tempdir().unwrap();
        let error = of_tree(directory.path()).unwrap_err().to_string();
        assert!(error.ends_with("so it is not a k3s source tree"), "{error}");
    }
}
