//! Lines that the guest prints on the console of the proof, one at a time; see `proof/say.sh`.

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// `mark NAME`: a milestone is reached.
    Mark(String),
    /// `fact NAME VALUE`: something that was measured or seen.
    Fact(String, String),
    /// `memory TOTAL AVAILABLE`: of the whole guest, in KiB, as /proc/meminfo has them.
    Memory { total: u64, available: u64 },
    /// `fail TEXT`: what was being done when it failed; evidence follows.
    Fail(String),
    /// `| NAME TEXT`: a line of evidence, of the journal for instance.
    Evidence(String, String),
    /// `done`: everything is proved, or all evidence is told.
    Done,
    /// Anything else: some program has written to this console too.
    Other(String),
}

/// Reads one line.
pub fn parse(line: &str) -> Said {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let pair = || rest.split_once(' ').unwrap_or((rest, ""));
    let said = match word {
        "mark" => Some(Said::Mark(rest.to_owned())),
        "fact" => Some(Said::Fact(pair().0.to_owned(), pair().1.to_owned())),
        "memory" => memory(pair()),
        "fail" => Some(Said::Fail(rest.to_owned())),
        "|" => Some(Said::Evidence(pair().0.to_owned(), pair().1.to_owned())),
        "done" => Some(Said::Done),
        _ => None,
    };
    said.unwrap_or_else(|| Said::Other(line.to_owned()))
}

fn memory((total, available): (&str, &str)) -> Option<Said> {
    Some(Said::Memory { total: total.parse().ok()?, available: available.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_line_is_understood() {
        for (line, said) in [
            ("mark node", Said::Mark("node".into())),
            ("fact pause-rss 12 KiB", Said::Fact("pause-rss".into(), "12 KiB".into())),
            ("memory 4000 1000", Said::Memory { total: 4000, available: 1000 }),
            ("fail installing the packages", Said::Fail("installing the packages".into())),
            ("| journal it  broke", Said::Evidence("journal".into(), "it  broke".into())),
            ("| journal ", Said::Evidence("journal".into(), String::new())),
            ("done", Said::Done),
        ] {
            assert_eq!(parse(line), said);
        }
    }

    #[test]
    fn what_others_write_to_the_console_is_no_mark() {
        for line in ["", "Welcome to Debian!", "memory full", "marks", "[    1.2] mark node"] {
            assert_eq!(parse(line), Said::Other(line.to_owned()));
        }
    }
}
