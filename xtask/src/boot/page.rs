//! The page about a boot: milestones as bars, memory over time, what was seen, and what failed.

use super::record::{Proved, Record};
use super::run::{Failure, Outcome};
use crate::page::{Bar, Body, Fact, Figure, Label, Line, Mark, Page, Section, Tone, duration};

/// The report of a record.
pub fn page(record: &Record) -> Page {
    let failed = record.failure();
    let labels = failed.map(|(proof, failure)| Label {
        text: format!("failed: {proof}, {}", failure.milestone),
        tone: Tone::Caution,
    });
    let mut sections: Vec<Section> = record.proofs.iter().flat_map(proved).collect();
    sections.push(section("The guest", "", Body::Facts(guest(record))));
    let files = record.files.iter().map(|(name, sum)| Fact::code(name, sum.as_str())).collect();
    sections.push(section("What was booted", "The SHA-256 sum of each file.", Body::Facts(files)));
    Page {
        kind: "boot report".to_owned(),
        title: format!("k3s {}", record.k3s),
        lead: match failed {
            None if record.left_out.is_empty() => {
                "Everything was proved on a booted riscv64 machine.".to_owned()
            }
            None => {
                format!(
                    "Proved on a booted riscv64 machine, but not this time: {}.",
                    record.left_out.join(", ")
                )
            }
            Some((_, failure)) => format!("Not proved: {}.", failure.what),
        },
        labels: labels.into_iter().collect(),
        figures: record.proofs.iter().flat_map(figures).collect(),
        sections,
    }
}

fn section(heading: &str, note: &str, body: Body) -> Section {
    Section { heading: heading.to_owned(), note: note.to_owned(), body }
}

fn figures(proved: &Proved) -> Vec<Figure> {
    let at = |reached: &super::run::Reached| Figure {
        value: duration(reached.at),
        label: format!("power-on to {}, {}", reached.name, proved.name),
    };
    let told = ["node", "pod"];
    let mut found: Vec<Figure> =
        proved.outcome.reached.iter().filter(|reached| told.contains(&reached.name)).map(at).collect();
    if found.is_empty() {
        found.extend(proved.outcome.reached.last().map(at));
    }
    found
}

fn proved(proved: &Proved) -> Vec<Section> {
    let Proved { name, what, outcome } = proved;
    let points = outcome.memory.iter().map(|(at, kib)| (*at, *kib as f64 / 1024.0)).collect();
    let line = Line { quantity: format!("memory in use, {name}"), unit: "MiB".to_owned(), points };
    let facts = outcome.facts.iter().map(|(name, value)| Fact::code(name, value)).collect();
    let mut sections = vec![
        section(
            &format!("Milestones: {name}"),
            &format!("On a guest of its own: {what}. Seconds are counted from power-on by the host's clock."),
            Body::Timeline(bars(outcome)),
        ),
        section(
            &format!("Memory: {name}"),
            "Of the whole guest, without what can be freed.",
            Body::Line(line),
        ),
        section(&format!("Seen: {name}"), "", Body::Facts(facts)),
    ];
    sections.extend(outcome.failure.iter().map(|failure| {
        section(
            &format!("Failure: {name}"),
            "The last lines of everything that was asked.",
            Body::Log(story(failure)),
        )
    }));
    sections
}

/// A bar for each milestone, from the one before it; the one that failed takes the rest of the time.
fn bars(outcome: &Outcome) -> Vec<Bar> {
    let mut begin = 0.0;
    let mut bars = Vec::new();
    for reached in &outcome.reached {
        bars.push(Bar { name: reached.what.to_owned(), begin, end: reached.at, mark: Mark::Plain });
        begin = reached.at;
    }
    if let Some(failure) = &outcome.failure {
        let end = outcome.memory.last().map_or(begin, |(at, _)| at.max(begin));
        bars.push(Bar { name: failure.what.clone(), begin, end, mark: Mark::Failed });
    }
    bars
}

fn guest(record: &Record) -> Vec<Fact> {
    let packages = |name: &str| {
        let found = record.guest.packages.iter().find(|file| file.starts_with(&format!("{name}_")));
        found.and_then(|file| file.split('_').nth(1)).unwrap_or("none").replace("%3a", ":")
    };
    let mut facts = vec![
        Fact::prose("distribution", &record.guest.distribution),
        Fact::prose("kernel", &record.guest.kernel),
        Fact::prose("memory", format!("{} MiB", record.memory)),
        Fact::prose("processors", format!("{}, emulated", record.cpus)),
    ];
    facts.extend(
        ["systemd", "containerd", "runc", "rpm", "iptables"].map(|name| Fact::prose(name, packages(name))),
    );
    facts
}

/// A failure in words, for the page and the terminal.
pub fn story(failure: &Failure) -> String {
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
    use crate::boot::proof::Proof;
    use crate::boot::run::Reached;
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
        assert!(page(&record).lead.ends_with("but not this time: sample."));
        record.add(Proof::Sample, Outcome::default());
        assert_eq!(page(&record).lead, "Everything was proved on a booted riscv64 machine.");
    }

    #[test]
    fn what_failed_is_the_last_bar() {
        let outcome = Outcome {
            reached: vec![Reached { name: "kernel", what: "the kernel runs", at: 5.0 }],
            memory: vec![(9.0, 1)],
            failure: Some(Failure { what: "systemd is process 1".to_owned(), ..Failure::default() }),
            ..Outcome::default()
        };
        let bars = bars(&outcome);
        assert_eq!((bars[0].begin, bars[0].end, bars[0].mark), (0.0, 5.0, Mark::Plain));
        assert_eq!((bars[1].begin, bars[1].end, bars[1].mark), (5.0, 9.0, Mark::Failed));
    }
}
