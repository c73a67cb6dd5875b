//! A folder that is to be published, held against all that it says of itself. Nothing is asked here of the
//! machine or the run that made it: it may have come a long way.

use super::faults::{self, Faults};
use super::{NOTES, REHEARSAL, assets, packages};
use crate::digest::Digest;
use crate::lock::Lock;
use crate::product::finished;
use crate::product::manifest::Manifest;
use crate::product::{SUMS, elf};
use crate::target::Target;
use anyhow::{Context as _, Result, ensure};
use fs_err as fs;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A folder that is whole.
pub struct Checked {
    /// One for each architecture, by its name.
    pub manifests: Vec<Manifest>,
    /// Every file that is published, by name.
    pub files: Vec<String>,
    /// What the folder says that it is no release for.
    rehearsal: Option<String>,
}

/// Looks at a folder.
pub fn folder(folder: &Path) -> Result<Checked> {
    ensure!(
        folder.join(SUMS).is_file(),
        "there is no {SUMS} in {}\n  cargo xtask release leaves one in target/dist/<version>/release",
        folder.display()
    );
    let sums = finished::sums(&fs::read_to_string(folder.join(SUMS))?)?;
    let files = assets::names(folder)?;
    for (name, sum) in &sums {
        ensure!(files.contains(name), "{name} is missing, which {SUMS} names");
        ensure!(Digest::of_file(&folder.join(name))? == *sum, "{name} has not the sum that {SUMS} names");
    }
    for name in files.iter().filter(|name| !assets::is_sums(name)) {
        ensure!(sums.contains_key(name), "{SUMS} does not name {name}");
        ensure!(assets::kept_name(name) == *name, "GitHub would give {name} another name");
    }
    ensure!(files.iter().any(|name| name == NOTES), "{NOTES} is missing");
    let manifests = files.iter().filter(|name| name.starts_with("manifest-"));
    let manifests = manifests.map(|name| Manifest::read(&folder.join(name))).collect::<Result<Vec<_>>>()?;
    ensure!(!manifests.is_empty(), "there is no manifest of any product in {}", folder.display());
    for manifest in &manifests {
        product(folder, manifest, &sums)
            .with_context(|| format!("looking at what is for {}", manifest.arch))?;
    }
    packages::whole(folder, &manifests)?;
    let rehearsal = folder.join(REHEARSAL);
    let rehearsal = if rehearsal.is_file() { Some(fs::read_to_string(rehearsal)?) } else { None };
    Ok(Checked { manifests, files, rehearsal })
}

impl Checked {
    /// What keeps the folder from being published.
    pub fn faults(&self, lock: &Lock) -> Faults {
        let manifests: Vec<&Manifest> = self.manifests.iter().collect();
        let mut faults = faults::of_products(&manifests, lock).and(super::without_source(&self.files));
        if let Some(told) = &self.rehearsal {
            faults
                .errors
                .push(format!("the folder says of itself: {}", told.lines().next().unwrap_or(REHEARSAL)));
        }
        faults
    }
}

/// The files of one architecture.
fn product(folder: &Path, manifest: &Manifest, sums: &BTreeMap<String, Digest>) -> Result<()> {
    let target = Target::named(&manifest.arch)?;
    for (name, inside) in [
        (assets::program(target), target.k3s_binary()),
        (assets::pause_image(target), assets::pause_image(target)),
        (assets::notices(target), finished::NOTICES.to_owned()),
        (finished::LICENSE.to_owned(), finished::LICENSE.to_owned()),
        (finished::CHECK_CONFIG.to_owned(), finished::CHECK_CONFIG.to_owned()),
    ] {
        let sum = sums.get(&name).with_context(|| format!("{name} is missing"))?;
        let entry =
            manifest.files.get(&inside).with_context(|| format!("its manifest does not name {inside}"))?;
        ensure!(entry.sha256 == *sum, "{name} is not the file that its manifest names");
    }
    let program = assets::program(target);
    elf::check(fs::read(folder.join(&program))?.as_slice(), target.elf_machine)
        .with_context(|| format!("{program} is not for {}", target.go))?;
    ensure!(sums.contains_key(&assets::cure(target)), "{} is missing", assets::cure(target));

    let suffix = format!("-{}.tar", target.rpm);
    let archive = sums.keys().find(|name| name.starts_with("repository-") && name.ends_with(&suffix));
    let archive = archive.with_context(|| format!("the repository for {} is missing", target.rpm))?;
    repository(folder, archive, target, sums).with_context(|| format!("reading {archive}"))?;
    Ok(())
}

/// A repository holds the packages for its architecture that lie beside it, and what dnf reads of them.
fn repository(folder: &Path, archive: &str, target: &Target, sums: &BTreeMap<String, Digest>) -> Result<()> {
    let own = format!(".{}.rpm", target.rpm);
    let mut missing: BTreeSet<&str> = sums.keys().map(String::as_str).collect();
    missing.retain(|name| name.ends_with(&own) || name.ends_with(".noarch.rpm"));
    let mut metadata = false;
    for entry in tar::Archive::new(fs::File::open(folder.join(archive))?).entries()? {
        let entry = entry?;
        let path = entry.path()?.into_owned();
        let inside = path
            .strip_prefix(target.rpm)
            .with_context(|| format!("{} does not lie below {}", path.display(), target.rpm))?;
        metadata |= inside == Path::new("repodata/repomd.xml");
        let name = inside.to_string_lossy().into_owned();
        if name.ends_with(".rpm") {
            let kept = assets::kept_name(&name);
            let beside = sums.get(&kept).with_context(|| format!("{name} does not lie beside it"))?;
            let same = match name.ends_with(&own) {
                true => Digest::of_reader(entry)? == *beside,
                false => assets::payload_in(entry)? == assets::payload(&folder.join(&kept))?,
            };
            ensure!(same, "{name} is not the one that lies beside it");
            missing.remove(kept.as_str());
        }
    }
    ensure!(metadata, "it has no repodata/repomd.xml, so that dnf cannot read it");
    ensure!(missing.is_empty(), "it lacks {}", missing.into_iter().collect::<Vec<_>>().join(" and "));
    Ok(())
}
