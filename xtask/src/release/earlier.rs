//! Packages of earlier releases, which the repository of a new one keeps: with dnf, a node goes up one minor at a time,
//! and back.

use super::packages;
use super::tag::Tag;
use crate::context::Context;
use crate::digest::Digest;
use crate::dir;
use crate::rpm::nevra::{Nevra, SOURCE_PACKAGE};
use crate::rpm::{Published, Settings, read, repository};
use crate::target::{TARGETS, Target};
use anyhow::{Context as _, Result, ensure};
use fs_err as fs;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Number of the minors below that of a release of which the newest version is kept.
const MINORS: u32 = 3;

/// The package of the pause image, of which no earlier version is kept.
const FIX: &str = "k3s-pause-image";

/// Packages of earlier releases, unpacked.
pub struct Earlier {
    scratch: tempfile::TempDir,
    /// Each package's tag, and the name of its architecture's directory.
    packages: Vec<(Tag, Nevra, &'static Target)>,
}

impl Earlier {
    /// Unpacks those packages in the repositories of earlier releases, `repository-<dist>-<basearch>.tar`, that a release
    /// keeps.
    pub fn unpack(context: &Context, archives: &[PathBuf], new: &Tag) -> Result<Earlier> {
        fs::create_dir_all(&context.work)?;
        let scratch = tempfile::tempdir_in(&context.work)?;
        let mut packages = Vec::new();
        for archive in archives {
            let unpacked = unpack(archive, scratch.path());
            packages
                .extend(unpacked.with_context(|| format!("reading the packages in {}", archive.display()))?);
        }
        let kept = kept(new, packages.iter().map(|(tag, ..)| tag.clone()).collect());
        packages.retain(|(tag, ..)| kept.contains(tag));
        Ok(Earlier { scratch, packages })
    }

    /// Returns the tags whose packages are kept.
    pub fn tags(&self) -> BTreeSet<&Tag> {
        self.packages.iter().map(|(tag, ..)| tag).collect()
    }

    /// Returns the repository of the new packages and of those that are kept for their architecture and distribution.
    pub fn repository(
        &self,
        context: &Context,
        target: &Target,
        new: &Published,
        settings: &Settings,
        time: i64,
    ) -> Result<PathBuf> {
        let dist = format!(".{}", settings.dist);
        let is_kept =
            |(_, nevra, of): &&(Tag, Nevra, &Target)| of.go == target.go && nevra.release.ends_with(&dist);
        let kept: Vec<_> = self.packages.iter().filter(is_kept).collect();
        if kept.is_empty() {
            return Ok(new.directory.clone());
        }
        let directory = self.scratch.path().join(format!("repository{dist}-{}", target.rpm));
        fs::create_dir(&directory)?;
        dir::copy_files(&new.directory, &directory, |name| !name.ends_with(SOURCE_PACKAGE))?;
        let mut copies = Vec::new();
        for (_, nevra, _) in kept {
            let name = nevra.file_name();
            let copy = directory.join(&name);
            fs::copy(self.scratch.path().join(target.rpm).join(&name), &copy)?;
            copies.push(copy);
        }
        if let Some(key) = &settings.key {
            key.verify_packages(context, &copies).context(
                "keeping packages of earlier releases, which dnf would refuse in a signed repository",
            )?;
        }
        // The metadata names the time of each package's file.
        dir::normalize(&directory, time)?;
        repository::index(context, &directory, time)?;
        if let Some(key) = &settings.key {
            key.sign_file(context, &directory.join("repodata/repomd.xml"))?;
        }
        dir::normalize(&directory, time)?;
        Ok(directory)
    }
}

/// Unpacks the packages of an archive below the name of its architecture.
fn unpack(archive: &Path, into: &Path) -> Result<Vec<(Tag, Nevra, &'static Target)>> {
    let mut found = Vec::new();
    for entry in tar::Archive::new(fs::File::open(archive)?).entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
        let [arch, name] = &parts[..] else { continue };
        if !name.ends_with(".rpm") || !entry.header().entry_type().is_file() {
            continue;
        }
        let target = TARGETS.iter().find(|target| target.rpm == arch);
        let target =
            target.with_context(|| format!("{} is for no architecture that is known", path.display()))?;
        let unpacked = into.join(target.rpm).join(format!("new-{name}"));
        fs::create_dir_all(into.join(target.rpm))?;
        std::io::copy(&mut entry, &mut fs::File::create(&unpacked)?)?;
        let nevra = read::name(fs::File::open(&unpacked)?)?;
        ensure!(
            packages::is_ours(&nevra.name) && [target.rpm, "noarch"].contains(&nevra.arch.as_str()),
            "{nevra} is no package of a release for {}",
            target.rpm
        );
        let place = into.join(target.rpm).join(nevra.file_name());
        let is_other = place.exists() && Digest::of_file(&place)? != Digest::of_file(&unpacked)?;
        ensure!(!is_other, "there are two different packages {nevra}");
        // Its image is the same whatever the version, and users install it by a glob, which has to name one file.
        if !place.exists() && nevra.name != FIX {
            found.push((Tag::of(&nevra)?, nevra, target));
        }
        fs::rename(&unpacked, &place)?;
    }
    Ok(found)
}

/// Returns the versions that the repository of a release keeps: the newest of each minor, from some below its own, and
/// no candidate, which `dnf upgrade` would take for the newest version.
fn kept(new: &Tag, tags: BTreeSet<Tag>) -> BTreeSet<Tag> {
    let minor = |tag: &Tag| (tag.k3s.kubernetes.0, tag.k3s.kubernetes.1);
    let oldest = (minor(new).0, minor(new).1.saturating_sub(MINORS));
    let is_kept = |tag: &Tag| tag != new && tag.k3s.candidate.is_none() && minor(tag) >= oldest;
    let others = tags.into_iter().filter(is_kept);
    // In their order, so that the last of each minor stays.
    others.map(|tag| (minor(&tag), tag)).collect::<BTreeMap<_, _>>().into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_newest_version_of_each_minor() {
        let tags = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<BTreeSet<Tag>>();
        let all = [
            "v1.31.1+k3s1",
            "v1.32.4+k3s1",
            "v1.33.0-rc1+k3s1",
            "v1.33.0+k3s1",
            "v1.34.3+k3s1",
            "v1.34.10+k3s1",
            "v1.35.1+k3s1",
            "v1.35.1+k3s1-2",
            "v1.36.0+k3s1",
            "v1.37.0-rc1+k3s1",
        ];
        let expected = ["v1.32.4+k3s1", "v1.33.0+k3s1", "v1.34.10+k3s1", "v1.35.1+k3s1", "v1.36.0+k3s1"];
        assert_eq!(kept(&"v1.35.1+k3s1-2".parse().unwrap(), tags(&all)), tags(&expected));
        assert_eq!(kept(&"v1.0.0+k3s1".parse().unwrap(), tags(&[])), tags(&[]));
    }
}
