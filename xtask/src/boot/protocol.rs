//! Lines that a scenario prints on its console, one event each; see `scenario/common.sh`.

use std::time::Duration;

/// An event in the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GuestEvent {
    /// `mark NAME`: a milestone was reached.
    Mark(String),
    /// `fact NAME VALUE`: a measurement or an observation.
    Fact(String, String),
    /// `memory TOTAL AVAILABLE`: of the guest, in KiB, as in /proc/meminfo.
    Memory { total: u64, available: u64 },
    /// `keep NAME VALUE`: a value that the following boots of the guest get on the kernel's command line. The host keeps
    /// it, since the guest's disk may lose it.
    Keep(String, String),
    /// `restart reboot`, before the guest reboots, or `restart power-cut SECONDS`.
    Restart(Restart),
    /// `fail TEXT`: the command that failed. Evidence follows.
    Fail(String),
    /// `| NAME TEXT`: a line of evidence, for instance of the journal.
    Evidence(String, String),
    /// `done`: no event follows.
    Done,
    /// Output of another program on this console.
    Other(String),
}

/// An end of the VM after which it is started again, on the same disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// The guest ends it.
    Reboot,
    /// It is killed after this time.
    PowerCut(Duration),
}

/// Returns whether a text can be a part of the kernel's command line.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.,".contains(&byte))
}

impl GuestEvent {
    /// Parses a line.
    pub fn parse(line: &str) -> GuestEvent {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let (first, second) = rest.split_once(' ').unwrap_or((rest, ""));
        match word {
            "mark" => GuestEvent::Mark(rest.to_owned()),
            "fact" => GuestEvent::Fact(first.to_owned(), second.to_owned()),
            "memory" => match (first.parse(), second.parse()) {
                (Ok(total), Ok(available)) => GuestEvent::Memory { total, available },
                _ => GuestEvent::Other(line.to_owned()),
            },
            "keep" if is_word(first) && is_word(second) => {
                GuestEvent::Keep(first.to_owned(), second.to_owned())
            }
            "restart" => match (first, second.parse()) {
                ("reboot", _) => GuestEvent::Restart(Restart::Reboot),
                ("power-cut", Ok(seconds)) => {
                    GuestEvent::Restart(Restart::PowerCut(Duration::from_secs(seconds)))
                }
                _ => GuestEvent::Other(line.to_owned()),
            },
            "fail" => GuestEvent::Fail(rest.to_owned()),
            "|" => GuestEvent::Evidence(first.to_owned(), second.to_owned()),
            "done" => GuestEvent::Done,
            _ => GuestEvent::Other(line.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_every_kind_of_line() {
        for (line, event) in [
            ("mark node", GuestEvent::Mark("node".into())),
            ("fact pause-rss 12 KiB", GuestEvent::Fact("pause-rss".into(), "12 KiB".into())),
            ("memory 4000 1000", GuestEvent::Memory { total: 4000, available: 1000 }),
            ("fail installing the packages", GuestEvent::Fail("installing the packages".into())),
            ("| journal it  broke", GuestEvent::Evidence("journal".into(), "it  broke".into())),
            ("| journal ", GuestEvent::Evidence("journal".into(), String::new())),
            ("keep maps 12,9", GuestEvent::Keep("maps".into(), "12,9".into())),
            ("restart reboot", GuestEvent::Restart(Restart::Reboot)),
            ("restart power-cut 7", GuestEvent::Restart(Restart::PowerCut(Duration::from_secs(7)))),
            ("done", GuestEvent::Done),
        ] {
            assert_eq!(GuestEvent::parse(line), event);
        }
    }

    #[test]
    fn ignores_output_of_other_programs() {
        let strange = [
            "keep a b init=c",
            "keep a",
            "keep  b",
            "keep a=b c",
            "restart",
            "restart power-cut",
            "restart power-cut x",
        ];
        let output = ["", "Welcome to Debian!", "memory full", "marks", "[    1.2] mark node"];
        for line in strange.into_iter().chain(output) {
            assert_eq!(GuestEvent::parse(line), GuestEvent::Other(line.to_owned()));
        }
    }
}
