//! Notes of a release, for a user who has found it and wants a k3s that runs pods.

use super::assets::{self, File};
use super::problems::Problem;
use super::{Mode, Release, SUMS};
use crate::process::quoted;
use crate::product::manifest::Manifest;
use crate::rpm::repository::REPO_FILE;
use crate::target::Target;
use crate::url::file_path;
use indicatif::HumanBytes;

/// The text, in Markdown, given the files.
pub fn text(release: &Release, files: &[File]) -> String {
    let Some(first) = release.products.first() else { return String::new() };
    let manifest = &first.product.manifest;
    let targets: Vec<&Target> = release.products.iter().map(|product| product.target).collect();
    let sections = [
        head(manifest, &targets),
        warning(release.mode, &release.problems),
        install(release, first.target),
        versions(release, manifest),
        patches(manifest),
        listed(files),
        missing(manifest),
    ];
    sections.into_iter().filter(|section| !section.is_empty()).collect::<Vec<_>>().join("\n\n") + "\n"
}

fn head(manifest: &Manifest, targets: &[&Target]) -> String {
    let architectures: Vec<&str> = targets.iter().map(|target| target.go).collect();
    let pause = match manifest.builtin_pause {
        true => "which is carried inside, so that the first pod starts without any registry",
        false => "which is not carried inside",
    };
    format!(
        "# k3s {} for {}\n\nA modified build of k3s, neither made nor endorsed by the k3s project. Its default pause \
         image is `{}`, {pause}.",
        manifest.k3s,
        architectures.join(", "),
        manifest.pause_image
    )
}

fn warning(mode: Mode, problems: &[Problem]) -> String {
    if mode == Mode::Release {
        return String::new();
    }
    let reasons: Vec<String> = problems.iter().map(|problem| format!("\n> - {problem}")).collect();
    format!("> **This is a preview and no release.**{}", reasons.concat())
}

/// For the first architecture; the others differ in the names of their files.
fn install(release: &Release, target: &Target) -> String {
    let name = |asset: &str| assets::expand(asset, target, &release.settings.dist.to_string());
    let (binary, archive, fix) = (name(assets::BINARY), name(assets::REPOSITORY), name(assets::FIX));
    let arch = target.rpm;
    let repository = repository(&release.settings.url, arch, &archive);
    let signed = match release.settings.key {
        Some(_) => format!("`{SUMS}.asc`, the packages and their repository are signed."),
        None => "Nothing here is signed.".to_owned(),
    };
    format!(
        "## Install\n\n\
         Compare what you downloaded: `sha256sum --check --ignore-missing {SUMS}`. {signed}\n\n\
         On any distribution, after `sh check-config.sh` has passed the kernel:\n\n\
         ```sh\ninstall -m 0755 {binary} /usr/local/bin/k3s\nk3s server\n```\n\n\
         On {}, from the repository:\n\n\
         ```sh\n{repository}\ndnf install k3s k3s-cli\nsystemctl enable --now k3s\n```\n\n\
         To fix an installed k3s whose pods stay in `ContainerCreating`: install the package \
         `k3s-pause-image`, or, without packages:\n\n\
         ```sh\ninstall -D -m 0644 {fix} /var/lib/rancher/k3s/agent/images/{fix}\n\
         k3s ctr -n k8s.io images import /var/lib/rancher/k3s/agent/images/{fix}\n```",
        release.settings.dist.title(),
    )
}

fn versions(release: &Release, manifest: &Manifest) -> String {
    let mut rows = vec![("k3s".to_owned(), format!("{}, commit {}", manifest.k3s, manifest.commit))];
    rows.push(("pause image".to_owned(), manifest.pause_image.clone()));
    let levels = release.products.iter().map(|product| (product.target.go, &product.product.manifest.level));
    rows.extend(levels.map(|(arch, level)| (format!("level of {arch}"), level.clone())));
    rows.extend(manifest.sources.iter().map(|(name, value)| (name.clone(), value.clone())));
    rows.extend(manifest.tools.iter().map(|(name, value)| (name.clone(), value.clone())));
    let rows: Vec<String> = rows.iter().map(|(name, value)| format!("| {name} | {value} |")).collect();
    format!("## Versions\n\n| | |\n|---|---|\n{}", rows.join("\n"))
}

fn patches(manifest: &Manifest) -> String {
    let patches: Vec<String> = manifest
        .patches
        .iter()
        .map(|patch| format!("- **{}** ({}): {}", patch.name, patch.files.join(", "), patch.why))
        .collect();
    match patches.is_empty() {
        true => "## Changes to k3s\n\nNone.".to_owned(),
        false => format!("## Changes to k3s\n\n{}", patches.join("\n")),
    }
}

fn listed(files: &[File]) -> String {
    let row = |file: &File| format!("| `{}` | {} | {} |", file.name, HumanBytes(file.size), file.description);
    let rows: Vec<String> = files.iter().map(row).collect();
    format!("## Files\n\n| file | size | what it is |\n|---|---:|---|\n{}", rows.join("\n"))
}

/// Returns the commands that make a repository known to dnf: one at a URL, or one of this machine, which the archive
/// holds.
fn repository(url: &str, arch: &str, archive: &str) -> String {
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

/// Returns the list of what a release does not contain and a user might look for.
fn missing(manifest: &Manifest) -> String {
    let mut items = vec![
        "- An archive of all images for machines without a network: only the pause image is carried. Some of k3s' \
         own default images have no riscv64 build; the README names them, and what to do."
            .to_owned(),
        "- Upstream's installer: it does not support riscv64. The package has `k3s-install.sh` instead.".to_owned(),
        "- A policy for SELinux: `k3s-selinux` is the distribution's.".to_owned(),
    ];
    items.extend(manifest.incomplete.iter().map(|part| format!("- {part}, which a complete k3s has.")));
    format!("## What is not in it\n\n{}", items.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_quote_directory_and_url() {
        assert_eq!(
            repository("file:///srv/my%20k3s/", "riscv64", "r.tar"),
            "mkdir -p '/srv/my k3s' && tar -x -C '/srv/my k3s' -f r.tar\n\
             cp '/srv/my k3s'/riscv64/k3s-riscv64.repo /etc/yum.repos.d/"
        );
        assert_eq!(
            repository("https://host.example/a?b&c", "riscv64", "r.tar"),
            "curl -o /etc/yum.repos.d/k3s-riscv64.repo 'https://host.example/a?b&c/riscv64/k3s-riscv64.repo'"
        );
    }
}
