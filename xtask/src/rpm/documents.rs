//! Documents about the build in the packages, written from its manifest: `PATCHES`, the description's
//! note, and the list of what is compiled in.

use crate::images::manifest::ImagesManifest;
use crate::product::Product;
use crate::product::caveat::{self, Caveat};
use crate::product::manifest::Manifest;
use crate::product::third_party::Bundled;
use crate::target::Target;
use crate::upstream::release::Origin;

/// `/usr/share/doc/k3s/PATCHES`: every change to k3s, and what is missing of a complete one.
pub fn patches(manifest: &Manifest) -> String {
    let Manifest { k3s, commit, patches, .. } = manifest;
    let mut text = format!("k3s {k3s}, built from commit {commit}");
    match patches.len() {
        0 => text.push_str(" without a change.\n"),
        1 => text.push_str(" with 1 change:\n"),
        count => text.push_str(&format!(" with {count} changes:\n")),
    }
    for patch in patches {
        text.push_str(&format!("\n{}\n{}\n", patch.name, indented(&patch.why)));
        text.push_str(&format!("    Files: {}\n", patch.files.join(", ")));
        text.push_str(&format!("    sha256 of the difference: {}\n", patch.diff_sha256));
    }
    let inside = if manifest.builtin_pause { "is inside" } else { "is named, and not inside" };
    text.push_str(&format!("\nThe pause image {} {inside}.\n", manifest.pause_image));
    for image in &manifest.builtin_images {
        text.push_str(&format!("The image {} is inside.\n", image.reference));
    }
    let note = note(manifest);
    if !note.is_empty() {
        text.push_str(&format!("\n{note}\n"));
    }
    text
}

/// Returns a paragraph with at most 100 columns.
fn indented(paragraph: &str) -> String {
    let mut lines = vec![String::from("   ")];
    for word in paragraph.split_whitespace() {
        if lines.last().is_some_and(|line| line.len() + word.len() >= 100) {
            lines.push(String::from("   "));
        }
        if let Some(line) = lines.last_mut() {
            line.push(' ');
            line.push_str(word);
        }
    }
    lines.join("\n")
}

/// Returns the caveats of a build, in the short lines of a description.
pub fn note(manifest: &Manifest) -> String {
    let caveats =
        caveat::all(manifest).into_iter().map(|Caveat { label, sentence }| label + ":\n" + &sentence);
    caveats.collect::<Vec<_>>().join("\n")
}

/// Returns the images that are not as their names promise, in the short lines of a description.
pub fn images_note(images: &ImagesManifest) -> String {
    let mut lines = Vec::new();
    for image in &images.images {
        if image.substitute {
            lines.push(format!("{}:\nbuilt from {} instead.", image.reference, image.version));
        }
        if let Some(left_out) = &image.left_out {
            lines.push(format!("{}, left out:\n{left_out}", image.reference));
        }
    }
    lines.join("\n")
}

/// Returns the vendor of the packages, which must not pass for a release of the k3s project.
pub fn vendor(manifest: &Manifest) -> &'static str {
    match manifest.origin {
        Origin::Release => "k3s-riscv64, a modified build of k3s",
        Origin::Sample => "k3s-riscv64, a sample instead of k3s",
        Origin::Tree => "k3s-riscv64, a modified build of a k3s tree",
    }
}

/// `k3s.bundled`: a `Provides` for each module and library inside the binary of an architecture, so that a search for
/// an unsafe version of one finds this package (docs.fedoraproject.org, Packaging Guidelines, "Bundling").
pub fn bundled(products: &[(&Target, &Product)]) -> String {
    let provides = products.iter().map(|(target, product)| {
        format!("%ifarch {}\n{}%endif\n", target.rpm, bundled_in(&product.manifest).concat())
    });
    provides.collect()
}

fn bundled_in(manifest: &Manifest) -> Vec<String> {
    let name = |kind, name| match kind {
        Bundled::Module => format!("golang({name})"),
        Bundled::Other => name,
    };
    let bundled = manifest.third_party.bundled();
    let mut lines: Vec<String> = bundled
        .map(|(kind, of, version)| {
            format!("Provides: bundled({}) = {}\n", name(kind, of), rpm_order(&version))
        })
        .collect();
    lines.sort();
    lines.dedup();
    lines
}

/// Returns a version of a Go module, with rpm's `~` for the `-` of semver: both order before nothing
/// (semver.org, section 11; go.dev/ref/mod#versions).
fn rpm_order(version: &str) -> String {
    version.strip_prefix('v').unwrap_or(version).replace('-', "~")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_modules_order_in_rpm_as_in_go() {
        assert_eq!(rpm_order("v2.1.5-k3s1"), "2.1.5~k3s1");
        assert_eq!(rpm_order("v0.0.0-20240214030015-3ce58045626c"), "0.0.0~20240214030015~3ce58045626c");
        assert_eq!(rpm_order("v28.5.1+incompatible"), "28.5.1+incompatible");
    }

    #[test]
    fn long_reasons_are_broken_into_lines() {
        let text = indented(&"word ".repeat(60));
        assert!(text.lines().count() > 2 && text.lines().all(|line| line.len() <= 100), "{text}");
        assert!(text.lines().all(|line| line.starts_with("    word")), "{text}");
    }
}
