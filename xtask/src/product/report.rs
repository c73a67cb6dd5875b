//! The report of a build: for the terminal, and as a page.
//!
//! Both are told from the manifest, so that neither can say of the product what it does not say of
//! itself.

mod caveat;
mod path;
pub mod terminal;

use super::manifest::{FileEntry, Manifest};
use super::{Product, check};
use crate::address::without_credentials;
use crate::k3s::Build;
use crate::page::{Bar, Body, Change, Check, Fact, Figure, Label, Mark, Page, Section, Size, Tone, Verdict};
use crate::page::{duration, size};
use crate::patch::Applied;
use crate::step::Timing;
use crate::target::Target;
pub(crate) use caveat::unchecked;
use caveat::{caveats, title};
use std::collections::BTreeMap;
use terminal::{Machine, Palette, Summary};

/// The page of a build.
pub fn page(build: &Build, manifest: &Manifest, applied: &[Applied], timings: &[Timing]) -> Page {
    Story { manifest, location: &build.source.location, applied, timings }.page()
}

/// Says at the terminal what was made, what it is not, and what to do with it.
pub fn say(build: &Build, product: &Product) {
    let machine = match Target::host() {
        Some(host) if host == build.target => Machine::This,
        _ => Machine::Another,
    };
    let folder = match std::env::current_dir() {
        Ok(here) => product.folder.strip_prefix(here).unwrap_or(&product.folder),
        Err(_) => &product.folder,
    };
    let summary = Summary {
        manifest: &product.manifest,
        location: &build.source.location,
        folder,
        machine,
        default_k3s: &build.context.pins.k3s.version,
        palette: Palette::of_standard_error(),
    };
    build.context.progress.say(summary.to_string());
}

/// What the page of a build is made from.
#[derive(Clone, Copy, Debug)]
pub struct Story<'a> {
    pub manifest: &'a Manifest,
    /// Where the source came from, as the person gave it.
    pub location: &'a str,
    pub applied: &'a [Applied],
    pub timings: &'a [Timing],
}

impl Story<'_> {
    pub fn page(&self) -> Page {
        let Manifest { files, parts, checks, .. } = self.manifest;
        let section = |heading: &str, note: &str, body| Section {
            heading: heading.to_owned(),
            note: note.to_owned(),
            body,
        };
        Page {
            kind: "build report".to_owned(),
            title: title(self.manifest),
            lead: self.lead(),
            labels: self.labels(),
            figures: self.figures(),
            sections: vec![
                section("What it is", "", Body::Facts(self.identity())),
                section("Steps", &self.times(), Body::Timeline(self.bars())),
                section("Sizes", "What was made, and where it went.", Body::Sizes(self.sizes(parts))),
                section(
                    "Files",
                    "Their SHA-256 sums. They lie beside this page, with manifest.json and SHA256SUMS.",
                    Body::Facts(files.iter().map(file).collect()),
                ),
                section(
                    "Patches",
                    "What was changed in k3s before it was compiled.",
                    Body::Changes(self.applied.iter().map(change).collect()),
                ),
                section(
                    "Checks",
                    "What was looked at in the finished product.",
                    Body::Checks(checks.iter().map(checked).collect()),
                ),
                section(
                    "Made with",
                    "Besides k3s' own tree and the modules that its go.sum names.",
                    Body::Facts(self.ingredients()),
                ),
            ],
        }
    }

    fn lead(&self) -> String {
        let Manifest { origin, k3s, .. } = self.manifest;
        let tagged = (origin == "release").then(|| format!("Built from the commit of upstream's tag {k3s}."));
        let caveats = caveats(self.manifest, self.location).into_iter().map(|caveat| caveat.sentence);
        tagged.into_iter().chain(caveats).collect::<Vec<_>>().join(" ")
    }

    fn labels(&self) -> Vec<Label> {
        let caveats = caveats(self.manifest, self.location).into_iter();
        let mut labels: Vec<Label> =
            caveats.map(|caveat| Label { text: caveat.label, tone: Tone::Caution }).collect();
        if self.manifest.modified {
            labels.push(Label { text: "patched".to_owned(), tone: Tone::Plain });
        }
        labels
    }

    fn figures(&self) -> Vec<Figure> {
        let figure = |value: String, label: &str| Figure { value, label: label.to_owned() };
        let Manifest { parts, checks, patches, .. } = self.manifest;
        let binary = parts.get("binary").map(|entry| figure(size(entry.size), "the binary"));
        let kept = self.timings.iter().filter(|timing| timing.kept).count();
        let of = match kept {
            0 => format!("{} steps", self.timings.len()),
            _ => format!("{} steps, {kept} of them kept", self.timings.len()),
        };
        let made = checks.iter().filter(|check| unchecked(check).is_none()).count();
        binary
            .into_iter()
            .chain([
                figure(duration(path::span(self.timings)), &of),
                figure(patches.len().to_string(), "patches applied"),
                figure(made.to_string(), "checks passed"),
            ])
            .collect()
    }

    fn identity(&self) -> Vec<Fact> {
        let Manifest { k3s, commit, arch, level, pause_image, builtin_pause, .. } = self.manifest;
        let carried = if *builtin_pause { "yes" } else { "no" };
        vec![
            Fact::prose("version", k3s),
            Fact::code("commit", commit),
            Fact::code("source", without_credentials(self.location)),
            Fact::prose("architecture", arch),
            Fact::code("its level", level),
            Fact::code("pause image", pause_image),
            Fact::prose("carried inside k3s", carried),
        ]
    }

    fn times(&self) -> String {
        let work: f64 = self.timings.iter().map(|timing| timing.end - timing.begin).sum();
        let kept = self.timings.iter().filter(|timing| timing.kept).count();
        if kept == self.timings.len() {
            return "The results of an earlier run were held against their sums and used.".to_owned();
        }
        let kept = if kept > 0 { " A kept step is one whose earlier result was used." } else { "" };
        format!(
            "{} of work in {}. What was fetched before the first step is not counted. Each step of the critical \
             path began when the one before it had ended.{kept}",
            duration(work),
            duration(path::span(self.timings))
        )
    }

    fn bars(&self) -> Vec<Bar> {
        let critical = path::critical(self.timings);
        let mut timings: Vec<&Timing> = self.timings.iter().collect();
        timings.sort_by(|a, b| a.begin.total_cmp(&b.begin));
        let mark = |timing: &Timing| match timing {
            Timing { kept: true, .. } => Mark::Kept,
            Timing { step, .. } if critical.contains(step) => Mark::Critical,
            _ => Mark::Plain,
        };
        let bar = |timing: &Timing| Bar {
            name: timing.step.to_owned(),
            begin: timing.begin,
            end: timing.end,
            mark: mark(timing),
        };
        timings.into_iter().map(bar).collect()
    }

    /// The parts, the largest first.
    fn sizes(&self, parts: &BTreeMap<String, FileEntry>) -> Vec<Size> {
        let note = |name: &str| match name {
            "server" | "containerd-shim-runc-v2" | "runc" | "cni" => "compressed into the bundle",
            "bundle" => "inside the binary",
            "binary" => "holds the bundle",
            "pause" => "inside the pause image",
            "pause image" if self.manifest.builtin_pause => "inside the server",
            _ => "",
        };
        let size = |(name, entry): (&String, &FileEntry)| Size {
            name: name.clone(),
            note: note(name).to_owned(),
            bytes: entry.size,
        };
        let mut sizes: Vec<Size> = parts.iter().map(size).collect();
        sizes.sort_by_key(|size| std::cmp::Reverse(size.bytes));
        sizes
    }

    fn ingredients(&self) -> Vec<Fact> {
        let Manifest { tools, sources, .. } = self.manifest;
        tools.iter().chain(sources).map(|(name, value)| Fact::code(name, value)).collect()
    }
}

fn file((name, entry): (&String, &FileEntry)) -> Fact {
    Fact::code(name, entry.sha256.as_str())
}

fn change(applied: &Applied) -> Change {
    let Applied { name, why, retire, layout, diff, .. } = applied;
    let retire = retire.iter().map(|when| Fact::prose("can go", when));
    Change {
        name: name.clone(),
        why: why.clone(),
        facts: std::iter::once(Fact::prose("layout", layout)).chain(retire).collect(),
        diff: diff.clone(),
    }
}

fn checked(check: &check::Check) -> Check {
    let (what, verdict) = match unchecked(check) {
        Some((what, _)) => (what, Verdict::Unchecked),
        None => (check.what.as_str(), Verdict::Holds),
    };
    Check { what: what.to_owned(), seen: check.seen.clone(), verdict }
}
