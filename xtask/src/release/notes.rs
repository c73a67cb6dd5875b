//! Notes of a release, for a user who wants a k3s that runs pods.

use super::NOTES;
use super::assets::{self, File};
use super::booted::Run;
use super::tag::Tag;
use super::{Mode, PackagedProduct, Release};
use crate::digest::Digest;
use crate::images::manifest::{ImageEntry, ImagesManifest};
use crate::process::quoted;
use crate::product::Product;
use crate::product::manifest::Manifest;
use crate::releases_url::ReleasesUrl;
use crate::rpm::Settings;
use crate::rpm::nevra::rpm_version;
use crate::rpm::repository::REPO_FILE;
use crate::url::file_path;
use anyhow::{Context as _, Result};
use indicatif::HumanBytes;
use std::collections::BTreeMap;

/// The notes in Markdown, with places in braces for the values of a release. Commands are for the first architecture;
/// the others differ in the names of their files.
const TEMPLATE: &str = include_str!("notes.md");

/// The heading of the section that is replaced by the results of boot tests.
const BOOT_TESTS: &str = "## Boot tests\n\n";
const NOT_BOOTED: &str = "Nothing here was booted.";
const TESTED_ON: &str = "These files were tested in VMs for riscv64 (QEMU) with the kernel {kernel}; `boot.json` has the \
    details.";

/// Returns the notes of a release with these files.
pub fn text(release: &Release, files: &[File]) -> Result<String> {
    let first = release.products.first().context("a release has a product")?;
    let manifest = &first.product.manifest;
    let name = |asset: &str| assets::expand(asset, first.target, "");
    let architectures: Vec<&str> = release.products.iter().map(|product| product.target.go).collect();
    let builtin = match manifest.builtin_pause {
        true => "which is inside, so that the first pod starts without any registry",
        false => "which is not inside",
    };
    let signature = match release.key() {
        Some(_) => "`SHA256SUMS.asc`, the packages and their repository are signed.",
        None => "Nothing here is signed.",
    };
    let row =
        |file: &File| format!("| `{}` | {} | {} |\n", file.name, HumanBytes(file.size), file.description);
    let incomplete = manifest.incomplete.iter();
    let images = first.images.as_ref();
    let values = [
        ("{k3s}", manifest.k3s.clone()),
        ("{architectures}", architectures.join(", ")),
        ("{pause image}", manifest.pause_image.clone()),
        ("{builtin pause}", builtin.to_owned()),
        ("{preview}", preview(release)),
        ("{signature}", signature.to_owned()),
        ("{attestation}", attestation(manifest.releases.as_ref())),
        ("{binary}", name(assets::BINARY)),
        ("{repositories}", repositories(release, first)?),
        ("{earlier}", earlier(&release.earlier)),
        ("{fix}", name(assets::FIX)),
        ("{install images}", images.map_or_else(String::new, |_| install_images(&name(assets::BUNDLE)))),
        ("{missing images}\n", missing_images(images.map(|images| &images.manifest))),
        ("{versions}", versions(release, manifest)),
        ("{boots}", NOT_BOOTED.to_owned()),
        ("{files}", files.iter().map(row).collect()),
        ("{missing}\n", incomplete.map(|part| format!("- {part}, which a complete k3s has.\n")).collect()),
        // Last, since users write their texts.
        ("{patches}", patches(manifest)),
    ];
    Ok(values.iter().fold(TEMPLATE.to_owned(), |text, (place, value)| text.replace(place, value)))
}

/// Replaces the section on boot tests in the notes of a release.
pub fn with_boots(text: &str, section: &str) -> Result<String> {
    let (head, rest) =
        text.split_once(BOOT_TESTS).with_context(|| format!("{NOTES} has no section on boot tests"))?;
    let (_, rest) =
        rest.split_once("\n## ").with_context(|| format!("{NOTES} ends with the section on boot tests"))?;
    Ok(format!("{head}{BOOT_TESTS}{section}\n## {rest}"))
}

/// Returns the section on boot tests: the scenarios that passed with files of these checksums, and the architectures
/// whose files were not booted.
pub fn boots(runs: &[Run], sums: &BTreeMap<String, Digest>, not_booted: &[String]) -> String {
    let mut text = String::new();
    for run in runs {
        for scenario in run.scenarios.iter().filter(|scenario| scenario.passed(sums).is_some()) {
            if text.is_empty() {
                let target = TESTED_ON.replace("{kernel}", &run.guest.kernel);
                text += &format!(
                    "{target}\n\n| scenario | milestones | seconds after power-on |\n|---|---:|---:|\n"
                );
            }
            let seconds = scenario.reached.last().map_or(0.0, |reached| reached.at);
            text += &format!("| {} | {} | {seconds:.0} |\n", scenario.name, scenario.reached.len());
        }
    }
    if text.is_empty() {
        text = format!("{NOT_BOOTED}\n");
    }
    if !not_booted.is_empty() {
        text += &format!("\nThe files for {} were **not booted**.\n", not_booted.join(", "));
    }
    text
}

/// Returns the command that verifies the origin of a file, where it may be recorded: in a repository on GitHub.
fn attestation(releases: Option<&ReleasesUrl>) -> String {
    let repository = releases.and_then(ReleasesUrl::github_repository);
    repository.map_or_else(String::new, |repository| {
        format!(
            " `gh attestation verify {{binary}} --repo {repository}` shows the run of the workflow that a file is from, \
             unless the release was made by hand."
        )
    })
}

fn preview(release: &Release) -> String {
    if release.mode == Mode::Release {
        return String::new();
    }
    let reasons: String = release.problems.iter().map(|problem| format!("> - {problem}\n")).collect();
    format!("> **This is a preview and no release.**\n{reasons}\n")
}

fn versions(release: &Release, manifest: &Manifest) -> String {
    let levels = release
        .products
        .iter()
        .map(|product| (format!("level of {}", product.target.go), product.product.manifest.level.clone()));
    let k3s = ("k3s".to_owned(), format!("{}, commit {}", manifest.k3s, manifest.commit));
    let pause = ("pause image".to_owned(), manifest.pause_image.clone());
    let rows = [k3s, pause].into_iter().chain(levels);
    let rows = rows.chain(manifest.sources.clone()).chain(manifest.tools.clone());
    rows.map(|(name, value)| format!("| {name} | {value} |\n")).collect()
}

fn patches(manifest: &Manifest) -> String {
    let patches = manifest.patches.iter();
    let patches: String = patches
        .map(|patch| format!("- **{}** ({}): {}\n", patch.name, patch.files.join(", "), patch.why))
        .collect();
    if patches.is_empty() { "None.\n".to_owned() } else { patches }
}

/// Returns the versions that the repository has beside the new one.
fn earlier(tags: &[Tag]) -> String {
    if tags.is_empty() {
        return String::new();
    }
    let tags: Vec<String> = tags.iter().map(Tag::to_string).collect();
    format!(
        "The repository keeps {}: go up one minor at a time (`dnf upgrade 'k3s*-1.34.*'`), and back with `dnf downgrade`.\n\n",
        tags.join(", ")
    )
}

/// Returns the command for a machine without a registry.
fn install_images(bundle: &str) -> String {
    format!(
        "On a machine without a registry, also install the default images, or the package `k3s-airgap-images`:\n\n\
         ```sh\ninstall -D -m 0644 -t /var/lib/rancher/k3s/agent/images {bundle}\n```\n\n"
    )
}

/// Returns what upstream's images have, and those of the release do not.
fn missing_images(images: Option<&ImagesManifest>) -> String {
    let Some(images) = images else {
        return "- The default images, for machines without a registry.\n".to_owned();
    };
    let mut lines = String::new();
    for ImageEntry { reference, version, substitute, left_out, .. } in &images.images {
        if *substitute {
            lines += &format!("- The version that `{reference}` names: the image is built from {version}.\n");
        }
        if let Some(left_out) = left_out {
            lines += &format!("- In `{reference}`: {left_out}.\n");
        }
    }
    lines
}

/// Returns how to install the packages for each release of openEuler: by their version, if a newer one is kept.
fn repositories(release: &Release, packaged: &PackagedProduct) -> Result<String> {
    let PackagedProduct { target, product: Product { manifest, .. }, .. } = packaged;
    let k3s = manifest.k3s.parse()?;
    let version = rpm_version(&k3s, &manifest.commit, manifest.source_date_epoch)?;
    let of = |settings: &Settings| {
        let tag = Tag { k3s: k3s.clone(), release: settings.release };
        let suffix = match release.earlier.iter().any(|kept| *kept > tag) {
            true => format!("-{version}-{}.{}", settings.release, settings.dist),
            false => String::new(),
        };
        let archive = assets::expand(assets::REPOSITORY, target, &settings.dist.to_string());
        format!(
            "On {}, from the repository:\n\n```sh\n{}\ndnf install k3s{suffix} k3s-cli{suffix}\n\
             systemctl enable --now k3s\n```\n\n",
            settings.dist.title(),
            repository_commands(&settings.url, target.rpm, &archive)
        )
    };
    Ok(release.settings.iter().map(of).collect())
}

/// Returns the commands that make a repository known to dnf: one at a URL, or one of this machine, which the archive
/// holds.
fn repository_commands(url: &str, arch: &str, archive: &str) -> String {
    let url = url.trim_end_matches('/');
    match file_path(url) {
        Some(path) => {
            let directory = quoted(&path.display().to_string());
            format!(
                "mkdir -p {directory} && tar -x -C {directory} -f {archive}\n\
                 cp {directory}/{arch}/{REPO_FILE} /etc/yum.repos.d/"
            )
        }
        None => {
            let file = quoted(&format!("{url}/{arch}/{REPO_FILE}"));
            format!("curl -o /etc/yum.repos.d/{REPO_FILE} {file}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn section_on_boots_is_replaced() {
        let text = TEMPLATE.replace("{boots}", NOT_BOOTED);
        let section = boots(&[], &BTreeMap::new(), &["arm64".to_owned()]);
        assert_eq!(section, "Nothing here was booted.\n\nThe files for arm64 were **not booted**.\n");
        let new = with_boots(&text, &section).unwrap();
        assert_eq!(new, text.replace(&format!("{NOT_BOOTED}\n"), &section));
        assert_eq!(with_boots(&new, &section).unwrap(), new, "results can be added twice");
        assert!(with_boots("no notes", "").is_err());
    }

    #[test]
    fn origin_of_files_is_recorded_on_github_only() {
        let text = |url: &str| attestation(Some(&url.parse().unwrap()));
        let github = text("https://github.com/me/k3s/releases");
        assert!(github.starts_with(" `gh attestation verify {binary} --repo me/k3s` shows "), "{github}");
        assert_eq!(text("https://host.example/me/k3s/releases"), "");
        assert_eq!(attestation(None), "");
    }

    #[test]
    fn commands_quote_directory_and_url() {
        assert_eq!(
            repository_commands("file:///srv/my%20k3s/", "riscv64", "r.tar"),
            "mkdir -p '/srv/my k3s' && tar -x -C '/srv/my k3s' -f r.tar\n\
             cp '/srv/my k3s'/riscv64/k3s-riscv64.repo /etc/yum.repos.d/"
        );
        assert_eq!(
            repository_commands("https://host.example/a?b&c", "riscv64", "r.tar"),
            "curl -o /etc/yum.repos.d/k3s-riscv64.repo 'https://host.example/a?b&c/riscv64/k3s-riscv64.repo'"
        );
    }
}
