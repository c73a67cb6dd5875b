//! The report of a build: for the terminal, and as a page.
//!
//! Both are written from the manifest, so that neither can contradict it.

mod path;
pub mod terminal;

use super::Product;
use super::caveat;
use super::check::{Check, CheckResult};
use super::component::Component;
use super::manifest::Manifest;
use crate::dir::shown;
use crate::k3s::Build;
use crate::page::{Bar, Mark, Page, Section, bars, code, diff, duration, facts, size};
use crate::patch::Applied;
use crate::step::Timing;
use crate::target::Target;
use crate::upstream::release::Origin;
use crate::url::without_credentials;
use maud::{Markup, html};
use terminal::{Machine, Summary};

/// Returns the page of a build.
pub fn page(build: &Build, manifest: &Manifest, applied: &[Applied], timings: &[Timing]) -> Page {
    Report { manifest, location: &build.source.location, applied, timings }.page()
}

/// Prints the summary of a product, with its restrictions and the next commands.
pub fn print(build: &Build, product: &Product) {
    let machine = match Target::host() {
        Some(host) if host == build.target => Machine::This,
        _ => Machine::Another,
    };
    let summary = Summary {
        manifest: &product.manifest,
        directory: &shown(&product.directory),
        machine,
        default_k3s: &build.context.pins.k3s.version,
    };
    build.context.progress.print(summary.to_string());
}

/// A build as its page shows it.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    pub manifest: &'a Manifest,
    /// The source as the user gave it.
    pub location: &'a str,
    pub applied: &'a [Applied],
    pub timings: &'a [Timing],
}

/// Returns the title of reports.
fn title(manifest: &Manifest) -> String {
    let Manifest { k3s, arch, origin, .. } = manifest;
    let what = if *origin == Origin::Sample { "k3s sample" } else { "k3s" };
    format!("{what} {k3s} for {arch}")
}

impl Report<'_> {
    pub fn page(&self) -> Page {
        let Manifest { files, checks, tools, sources, .. } = self.manifest;
        let sums = files.iter().map(|(name, file)| (name, code(file.sha256.as_str())));
        let origins = tools.iter().chain(sources).map(|(name, version)| (name, code(version)));
        let caveats = caveat::all(self.manifest);
        let lead = caveats.iter().fold(self.origin(), |lead, caveat| lead + " " + &caveat.sentence);
        Page {
            kind: "build report",
            title: title(self.manifest),
            lead: lead.trim().to_owned(),
            cautions: caveats.into_iter().map(|caveat| caveat.label).collect(),
            figures: self.figures(),
            sections: vec![
                Section::new("Source", self.source()),
                Section::new("Steps", self.steps()),
                Section::new("Components", self.components()),
                Section::new("Files", html! { p.note { "SHA-256, as in SHA256SUMS." } (facts(sums)) }),
                Section::new("Patches", html! { @for patch in self.applied { (applied(patch)) } }),
                Section::new("Checks", html! { ul.checks { @for it in checks { (check(it)) } } }),
                Section::new("Tools and origins", facts(origins)),
            ],
        }
    }

    /// Returns the sentence that says whether this is upstream's k3s.
    fn origin(&self) -> String {
        let Manifest { origin, k3s, modified, .. } = self.manifest;
        let patched = if *modified { ", modified by the patches below" } else { "" };
        match origin {
            Origin::Release => format!("Built from the commit of upstream's tag {k3s}{patched}."),
            Origin::Tree | Origin::Sample => String::new(),
        }
    }

    fn figures(&self) -> Vec<(String, String)> {
        let Manifest { components, checks, patches, .. } = self.manifest;
        let figure = |name: &str, value: String| (name.to_owned(), value);
        let kept = self.timings.iter().filter(|timing| timing.kept).count();
        let steps = match kept {
            0 => format!("{} steps", self.timings.len()),
            _ => format!("{} steps, {kept} of them kept", self.timings.len()),
        };
        let passed = checks.iter().filter(|check| check.has_passed()).count();
        let binary = components.get(&Component::Binary).map(|file| figure("the binary", size(file.size)));
        let others = [
            (steps, duration(path::span(self.timings))),
            figure("patches applied", patches.len().to_string()),
            figure("checks passed", passed.to_string()),
        ];
        binary.into_iter().chain(others).collect()
    }

    fn source(&self) -> Markup {
        let Manifest { k3s, commit, arch, level, pause_image, builtin_pause, builtin_images, .. } =
            self.manifest;
        let embedded = if *builtin_pause { "inside k3s" } else { "not inside k3s" };
        let others: Vec<&str> = builtin_images.iter().map(|image| image.reference.as_str()).collect();
        let others = if others.is_empty() { "none".to_owned() } else { others.join(", ") };
        facts([
            ("version", html! { (k3s) }),
            ("commit", code(commit)),
            ("source", code(without_credentials(self.location))),
            ("architecture", html! { (arch) ", " (level) }),
            ("pause image", code(pause_image)),
            ("its archive", html! { (embedded) }),
            ("other images inside k3s", html! { (others) }),
        ])
    }

    /// Renders the times of the steps, in the order in which they began.
    fn steps(&self) -> Markup {
        let mut critical = path::critical(self.timings);
        critical.retain(|step| self.timings.iter().any(|timing| timing.step == *step && !timing.kept));
        let mut timings: Vec<&Timing> = self.timings.iter().collect();
        timings.sort_by(|a, b| a.begin.total_cmp(&b.begin));
        let bar = |timing: &&Timing| {
            let Timing { step, begin, end, kept } = **timing;
            let (mark, took) = match kept {
                true => (Mark::Kept, "kept".to_owned()),
                false if critical.contains(&step) => (Mark::Critical, duration(end - begin)),
                false => (Mark::Plain, duration(end - begin)),
            };
            let values = [took, duration(begin)];
            Bar { name: step.to_owned(), note: "", span: (begin, end), values, mark }
        };
        html! {
            p.note {
                "Downloads before the first step are not counted. A kept step is one whose earlier result was \
                 verified and used. Each step of the critical path began when the one before it had ended."
            }
            @if !critical.is_empty() { p.path { b { "Critical path" } " " (critical.join(" → ")) } }
            (bars(["Step", "Took", "Began"], &timings.iter().map(bar).collect::<Vec<_>>()))
        }
    }

    /// Renders the sizes of the components, the largest first.
    fn components(&self) -> Markup {
        let note = |component: Component| match component {
            Component::Server | Component::Shim | Component::Runc | Component::Cni => {
                "compressed into the bundle"
            }
            Component::Bundle => "inside the binary",
            Component::Binary => "contains the bundle",
            Component::Pause => "inside the pause image",
            Component::PauseImage if self.manifest.builtin_pause => "inside the server",
            Component::PauseImage => "",
            Component::BuiltinImages => "inside the server",
        };
        let mut components: Vec<_> = self.manifest.components.iter().collect();
        components.sort_by_key(|(_, file)| std::cmp::Reverse(file.size));
        let rows = components.into_iter().map(|(component, file)| Bar {
            name: component.step().to_owned(),
            note: note(*component),
            span: (0.0, file.size as f64),
            values: [size(file.size), indicatif::HumanCount(file.size).to_string()],
            mark: Mark::Critical,
        });
        bars(["Component", "Size", "Bytes"], &rows.collect::<Vec<_>>())
    }
}

fn applied(patch: &Applied) -> Markup {
    let Applied { name, why, retire, layout, files, diff: text } = patch;
    let obsolete = retire.iter().map(|when| ("remove when", html! { (when) }));
    html! {
        article {
            h3 { (name) }
            p.note { (why) }
            (facts([("layout", html! { (layout) })].into_iter().chain(obsolete)))
            details open { summary { code { (files.join(", ")) } } (diff(text)) }
        }
    }
}

fn check(check: &Check) -> Markup {
    let (class, prefix, text) = match &check.result {
        CheckResult::Passed(evidence) => ("passed", "", evidence),
        CheckResult::NotRun(reason) => ("unchecked", "not checked: ", reason),
    };
    html! { li class=(class) { p { (prefix) (check.what) } p.seen { (text) } } }
}
