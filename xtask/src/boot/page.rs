//! The report of a boot test: milestones as bars, memory over time, facts and failures.

use super::results::{Results, ScenarioResult, console_log};
use super::role::Role;
use super::watch::{Failure, Outcome, Reached};
use crate::page::{Bar, Mark, Page, Section, bars, code, duration, facts};
use maud::{Markup, html};
use std::path::Path;

/// Returns the page, which is written beside the console logs.
pub fn page(results: &Results, consoles: &Path) -> Page {
    let failed = results.failure();
    let mut sections: Vec<Section> =
        results.scenarios.iter().map(|result| section(result, consoles)).collect();
    sections.push(Section::new("The guest", guest(results)));
    Page {
        kind: "boot report",
        title: format!("k3s {}", results.k3s),
        lead: match failed {
            Some((_, failure)) => format!("Failed: {}.", failure.description),
            None if results.not_run.is_empty() => "All scenarios passed on a riscv64 VM.".to_owned(),
            None => format!("Passed on a riscv64 VM. Not run: {}.", results.not_run.join(", ")),
        },
        cautions: failed
            .map(|(scenario, failure)| format!("failed: {scenario}, {}", failure.milestone))
            .into_iter()
            .collect(),
        figures: results.scenarios.iter().flat_map(figures).collect(),
        sections,
    }
}

/// Returns the times of node and pod, or else of the last milestone.
fn figures(result: &ScenarioResult) -> Vec<(String, String)> {
    let reached = &result.outcome.reached;
    let figure = |at: &Reached| (format!("power-on to {}, {}", at.name, result.name), duration(at.at));
    let mut found: Vec<_> =
        reached.iter().filter(|at| ["node", "pod"].contains(&at.name)).map(figure).collect();
    if found.is_empty() {
        found.extend(reached.last().map(figure));
    }
    found
}

fn section(result: &ScenarioResult, consoles: &Path) -> Section {
    let ScenarioResult { name, files, outcome } = result;
    let logs = [console_log(name), console_log(&Role::Agent.named(name))];
    let files = files.iter().map(|(name, digest)| (name, code(digest.as_str())));
    let seen = outcome.facts.iter().map(|(name, value)| (name, code(value)));
    let body = html! {
        p.note {
            "Seconds are counted from power-on by the host's clock."
            @for log in logs.iter().filter(|log| consoles.join(log).is_file()) { " " a href=(log) { (log) } }
        }
        (bars(["Milestone", "Reached", "Took"], &milestones(outcome)))
        @if let Some(failure) = &outcome.failure { pre.log { (failure_text(failure)) } }
        (memory(name, &outcome.memory))
        (facts(seen))
        p.note { "SHA-256 of each tested file." }
        (facts(files))
    };
    Section::new(*name, body)
}

/// Returns a bar for each milestone, from the one before it. One that failed takes the rest of the time.
fn milestones(outcome: &Outcome) -> Vec<Bar> {
    let mut before = 0.0;
    let mut bar = |name: &str, at: f64, mark| {
        let begin = std::mem::replace(&mut before, at);
        let reached = if mark == Mark::Failed { "not reached".to_owned() } else { duration(at) };
        let values = [reached, duration(at - begin)];
        Bar { name: name.to_owned(), note: "", span: (begin, at), values, mark }
    };
    let mut bars: Vec<Bar> =
        outcome.reached.iter().map(|reached| bar(reached.description, reached.at, Mark::Plain)).collect();
    if let Some(failure) = &outcome.failure {
        let reached = outcome.reached.last().map_or(0.0, |reached| reached.at);
        let end = outcome.memory.last().map_or(reached, |(at, _)| at.max(reached));
        bars.push(bar(&failure.description, end, Mark::Failed));
    }
    bars
}

/// Renders the memory in use over time, in KiB, as a line.
fn memory(scenario: &str, points: &[(f64, u64)]) -> Markup {
    let last = points.iter().map(|point| point.0).fold(f64::MIN_POSITIVE, f64::max);
    let most = points.iter().map(|point| point.1).max().unwrap_or_default();
    let scaled = |(at, kib): &(f64, u64)| {
        format!("{:.3},{:.3}", at / last * 100.0, 100.0 - *kib as f64 / most.max(1) as f64 * 100.0)
    };
    html! {
        @if !points.is_empty() {
            figure {
                figcaption {
                    "memory in use, " (scenario) ": at most " (most / 1024) " MiB in " (duration(last))
                }
                // Without text, since the drawing is stretched to the width of the page.
                svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true" {
                    polyline points=(points.iter().map(scaled).collect::<Vec<_>>().join(" ")) {}
                }
            }
        }
    }
}

fn guest(results: &Results) -> Markup {
    let package = |name: &str| {
        let found = results.guest.packages.iter().find(|file| file.starts_with(&format!("{name}_")));
        found.and_then(|file| file.split('_').nth(1)).unwrap_or("none").replace("%3a", ":")
    };
    let versions = ["systemd", "containerd", "runc", "rpm", "iptables"].map(|name| (name, package(name)));
    let vm = [
        ("distribution", results.guest.distribution.clone()),
        ("kernel", results.guest.kernel.clone()),
        ("memory", format!("{} MiB", results.memory)),
        ("processors", format!("{}, emulated", results.cpus)),
    ];
    facts(vm.into_iter().chain(versions).map(|(name, value)| (name, html! { (value) })))
}

/// Returns a failure as text, for the page and the terminal.
pub fn failure_text(failure: &Failure) -> String {
    let mut text = format!("not reached: {}\nbecause: {}\n", failure.description, failure.reason);
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
    use crate::boot::scenario::Scenario;
    use std::collections::BTreeMap;

    #[test]
    fn names_scenarios_that_were_not_run() {
        let about = About { distribution: "Debian".into(), kernel: "6".into(), packages: vec![] };
        let mut results = Results {
            k3s: "v0.35.0+k3s1.sample".to_owned(),
            guest: about,
            memory: 2048,
            cpus: 2,
            derived: BTreeMap::new(),
            scenarios: vec![],
            not_run: vec!["sample"],
        };
        let nowhere = Path::new("/nonexistent");
        assert!(page(&results, nowhere).lead.ends_with("Not run: sample."));
        results.add(Scenario::Sample, BTreeMap::new(), Outcome::default());
        assert_eq!(page(&results, nowhere).lead, "All scenarios passed on a riscv64 VM.");
    }

    #[test]
    fn failed_milestone_is_the_last_bar() {
        let outcome = Outcome {
            reached: vec![Reached { name: "kernel", description: "the kernel runs", at: 5.0 }],
            memory: vec![(9.0, 1)],
            failure: Some(Failure { description: "systemd is process 1".to_owned(), ..Failure::default() }),
            ..Outcome::default()
        };
        let bars = milestones(&outcome);
        assert_eq!((bars[0].span, bars[0].mark), ((0.0, 5.0), Mark::Plain));
        assert_eq!((bars[1].span, bars[1].mark), ((5.0, 9.0), Mark::Failed));
    }
}
