//! What Rust's test harness prints, read as numbers.

use std::iter::Sum;
use std::ops::Add;

/// How tests ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub passed: usize,
    pub failed: usize,
    /// Ignored by the harness, or left out by a test that said so.
    pub skipped: usize,
}

impl Counts {
    pub const PASSED: Counts = Counts { passed: 1, failed: 0, skipped: 0 };
    pub const FAILED: Counts = Counts { passed: 0, failed: 1, skipped: 0 };

    /// Whether everything was tested and nothing failed.
    pub fn is_clean(self) -> bool {
        self.failed == 0 && self.skipped == 0
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

impl Add for Counts {
    type Output = Counts;
    fn add(self, other: Counts) -> Counts {
        Counts {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            skipped: self.skipped + other.skipped,
        }
    }
}

impl Sum for Counts {
    fn sum<I: Iterator<Item = Counts>>(counts: I) -> Counts {
        counts.fold(Counts::default(), Add::add)
    }
}

/// With these words a test says that it leaves a part of itself out (`tests/support/needs.rs`).
pub const MARKER: &str = "NOT TESTED: ";

/// The output of one or several test programs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub counts: Counts,
    /// The lines in which tests say what they left out.
    pub left_out: Vec<String>,
    /// What the failed tests had to say.
    pub failures: String,
}

impl Report {
    /// Reads the output. A program that began its tests and told no result has crashed, which counts as
    /// one failure.
    pub fn read(output: &str) -> Report {
        let mut report = Report::default();
        let mut unfinished = 0;
        let mut within_failures = false;
        for line in output.lines() {
            if is_beginning(line) {
                unfinished += 1;
                within_failures = false;
            } else if let Some(counts) = result(line) {
                report.counts = report.counts + counts;
                unfinished -= usize::min(unfinished, 1);
                within_failures = false;
            } else if line == "failures:" {
                within_failures = true;
            } else if within_failures {
                report.failures.push_str(line);
                report.failures.push('\n');
            } else if let Some(at) = line.find(MARKER) {
                report.left_out.push(line[at..].to_owned());
            }
        }
        report.counts.failed += unfinished;
        report.counts.skipped += report.left_out.len();
        report
    }
}

/// `running 12 tests`.
fn is_beginning(line: &str) -> bool {
    let number = line.strip_prefix("running ").and_then(|rest| rest.split_once(" test"));
    number.is_some_and(|(number, plural)| number.parse::<usize>().is_ok() && ["", "s"].contains(&plural))
}

/// `test result: FAILED. 12 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.50s`.
fn result(line: &str) -> Option<Counts> {
    let (_, numbers) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let number = |name: &str| {
        let mut parts = numbers.split("; ");
        parts.find_map(|part| part.strip_suffix(name)?.trim_end().parse().ok())
    };
    Some(Counts { passed: number("passed")?, failed: number("failed")?, skipped: number("ignored")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSING: &str = "
running 3 tests
test a::one ... ok
test a::two ... ok
test three ... ignored

test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s
";

    const FAILING: &str = "
running 2 tests
test good ... ok
test bad ... FAILED

failures:

---- bad stdout ----

thread 'bad' (7) panicked at tests/x.rs:3:5:
NOT TESTED: running the image; it needs runc
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace


failures:
    bad

test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s

error: test failed, to rerun pass `-p xtask --test x`
";

    #[test]
    fn results_are_added_and_what_the_harness_ignores_is_skipped() {
        let report = Report::read(&format!("{PASSING}{PASSING}"));
        assert_eq!(report.counts, Counts { passed: 4, failed: 0, skipped: 2 });
        assert_eq!(report.counts.to_string(), "4 passed, 0 failed, 2 skipped");
    }

    #[test]
    fn a_test_that_says_it_left_something_out_is_skipped_wherever_the_words_stand_in_the_line() {
        let text = "running 1 test\ntest x ... NOT TESTED: pushing; it needs a registry\nok\n\n\
                    test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n";
        let report = Report::read(text);
        assert_eq!(report.counts, Counts { passed: 1, failed: 0, skipped: 1 });
        assert_eq!(report.left_out, ["NOT TESTED: pushing; it needs a registry"]);
        assert!(!report.counts.is_clean());
    }

    #[test]
    fn a_failure_is_counted_once_and_told_in_full() {
        let report = Report::read(FAILING);
        assert_eq!(report.counts, Counts { passed: 1, failed: 1, skipped: 0 });
        assert!(report.failures.contains("panicked at tests/x.rs:3:5"), "{}", report.failures);
        assert!(!report.failures.contains("good"), "{}", report.failures);
    }

    #[test]
    fn a_program_that_crashes_before_its_result_has_failed() {
        let crashed = "running 2 tests\ntest a ... ok\nerror: test failed\n  (signal: 11, SIGSEGV)\n";
        assert_eq!(Report::read(crashed).counts, Counts::FAILED);
        assert_eq!(
            Report::read(&format!("{crashed}{PASSING}")).counts,
            Counts { passed: 2, failed: 1, skipped: 1 }
        );
    }

    #[test]
    fn text_that_only_resembles_a_result_is_passed_over() {
        let text =
            "running late tests\ntest result: unknown\ntest result: ok. many passed; 0 failed; 0 ignored\n";
        assert_eq!(Report::read(text), Report::default());
    }
}
