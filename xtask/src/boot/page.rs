//! The page about a boot: milestones as bars, memory over time, what was seen, and what failed.

use super::results::{Proved, Record, console_log};
use crate::boot::watch::{Failure, Outcome, Reached};
use crate::page::{Bar, Mark, Page, Section, bars, code, duration, facts};
use maud::{Markup, html};
use std::path::Path;

/// Returns the page of a record, which is written beside its console logs.
pub fn page(record: &Record, consoles: &Path) -> Page {
    let failed = record.failure();
    let files = record.files.iter().map(|(name, digest)| (name, code(digest.as_str())));
    let mut sections: Vec<Section> = record.proofs.iter().map(|proved| section(proved, consoles)).collect();
    sections.push(Section::new("The guest", guest(record)));
    sections
        .push(Section::new("What was booted", html! { p.note { "SHA-256 of each file." } (facts(files)) }));
    Page {
        kind: "boot report",
        title: format!("k3s {}", record.k3s),
        lead: match failed {
            Some((_, failure)) => format!("Not proved: {}.", failure.what),
            None if record.left_out.is_empty() => {
                "Everything was proved on a booted riscv64 machine.".to_owned()
            }
            None => {
                let left_out = record.left_out.join(", ");
                format!("Proved on a booted riscv64 machine, but not this time: {left_out}.")
            }
        },
        cautions: failed
            .map(|(proof, failure)| format!("failed: {proof}, {}", failure.milestone))
            .into_iter()
            .collect(),
        figures: record.proofs.iter().flat_map(figures).collect(),
        sections,
    }
}

/// Returns when the node and the pod were there, or else the last milestone.
fn figures(proved: &Proved) -> Vec<(String, String)> {
    let reached = &proved.outcome.reached;
    let figure = |at: &Reached| (format!("power-on to {}, {}", at.name, proved.name), duration(at.at));
    let mut found: Vec<_> =
        reached.iter().filter(|at| ["node", "pod"].contains(&at.name)).map(figure).collect();
    if found.is_empty() {
        found.extend(reached.last().map(figure));
    }
    found
}

fn section(proved: &Proved, consoles: &Path) -> Section {
    let Proved { name, what, outcome } = proved;
    let log = console_log(name);
    let seen = outcome.facts.iter().map(|(name, value)| (name, code(value)));
    let body = html! {
        p.note {
            "On a guest of its own: " (what) ". Seconds are counted from power-on by the host's clock."
            @if consoles.join(&log).is_file() { " " a href=(log) { (log) } }
        }
        (bars(["Milestone", "Reached", "Took"], &milestones(outcome)))
        @if let Some(failure) = &outcome.failure { pre.log { (failure_text(failure)) } }
        (memory(name, &outcome.memory))
        (facts(seen))
    };
    Section::new(*name, body)
}

/// Returns a bar for each milestone, from the one before it; the one that failed takes the rest of the time.
fn milestones(outcome: &Outcome) -> Vec<Bar> {
    let mut before = 0.0;
    let mut bar = |name: &str, at: f64, mark| {
        let begin = std::mem::replace(&mut before, at);
        let reached = if mark == Mark::Failed { "not reached".to_owned() } else { duration(at) };
        let values = [reached, duration(at - begin)];
        Bar { name: name.to_owned(), note: "", span: (begin, at), values, mark }
    };
    let mut bars: Vec<Bar> =
        outcome.reached.iter().map(|reached| bar(reached.what, reached.at, Mark::Plain)).collect();
    if let Some(failure) = &outcome.failure {
        let reached = outcome.reached.last().map_or(0.0, |reached| reached.at);
        let end = outcome.memory.last().map_or(reached, |(at, _)| at.max(reached));
        bars.push(bar(&failure.what, end, Mark::Failed));
    }
    bars
}

/// Renders the memory in use over time, in KiB, as a line.
fn memory(proof: &str, points: &[(f64, u64)]) -> Markup {
    let last = points.iter().map(|point| point.0).fold(f64::MIN_POSITIVE, f64::max);
    let most = points.iter().map(|point| point.1).max().unwrap_or_default();
    let scaled = |(at, kib): &(f64, u64)| {
        format!("{:.3},{:.3}", at / last * 100.0, 100.0 - *kib as f64 / most.max(1) as f64 * 100.0)
    };
    html! {
        @if !points.is_empty() {
            figure {
                figcaption { "memory in use, " (proof) ": at most " (most / 1024) " MiB in " (duration(last)) }
                // The drawing is stretched to the width of the page, so words are not in it.
                svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true" {
                    polyline points=(points.iter().map(scaled).collect::<Vec<_>>().join(" ")) {}
                }
            }
        }
    }
}

fn guest(record: &Record) -> Markup {
    let package = |name: &str| {
        let found = record.guest.packages.iter().find(|file| file.starts_with(&format!("{name}_")));
        found.and_then(|file| file.split('_').nth(1)).unwrap_or("none").replace("%3a", ":")
    };
    let versions = ["systemd", "containerd", "runc", "rpm", "iptables"].map(|name| (name, package(name)));
    let machine = [
        ("distribution", record.guest.distribution.clone()),
        ("kernel", record.guest.kernel.clone()),
        ("memory", format!("{} MiB", record.memory)),
        ("processors", format!("{}, emulated", record.cpus)),
    ];
    facts(machine.into_iter().chain(versions).map(|(name, value)| (name, html! { (value) })))
}

/// A failure in words, for the page and the terminal.
pub fn failure_text(failure: &Failure) -> String {
    let mut text = format!("not reached: {}\nbecause: {}\n", failure.what, failure.reason);
    for (name, lines) in &failure.evidence {
        text.push_str(&format!("\n{name}:\n"));
        lines.iter().for_each(|line| text.push_str(&format!("  {line}\n")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::guest::About;
    use crate::boot::scenario::Proof;
    use std::collections::BTreeMap;

    #[test]
    fn what_was_not_proved_this_time_is_named() {
        let about = About { distribution: "Debian".into(), kernel: "6".into(), packages: vec![] };
        let mut record = Record {
            k3s: "v0.35.0+k3s1.sample".to_owned(),
            guest: about,
            memory: 2048,
            cpus: 2,
            files: BTreeMap::new(),
            proofs: vec![],
            left_out: vec!["sample"],
        };
        let nowhere = Path::new("/nonexistent");
        assert!(page(&record, nowhere).lead.ends_with("but not this time: sample."));
        record.add(Proof::Sample, Outcome::default());
        assert_eq!(page(&record, nowhere).lead, "Everything was proved on a booted riscv64 machine.");
    }

    #[test]
    fn what_failed_is_the_last_bar() {
        let outcome = Outcome {
            reached: vec![Reached { name: "kernel", what: "the kernel runs", at: 5.0 }],
            memory: vec![(9.0, 1)],
            failure: Some(Failure { what: "systemd is process 1".to_owned(), ..Failure::default() }),
            ..Outcome::default()
        };
        let bars = milestones(&outcome);
        assert_eq!((bars[0].span, bars[0].mark), ((0.0, 5.0), Mark::Plain));
        assert_eq!((bars[1].span, bars[1].mark), ((5.0, 9.0), Mark::Failed));
    }
}
