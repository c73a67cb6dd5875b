//! The critical path of a run, read from its times.

use crate::step::Timing;

/// Returns the seconds from the start of the first step to the end of the last one.
pub(super) fn span(timings: &[Timing]) -> f64 {
    timings.iter().map(|timing| timing.end).fold(0.0, f64::max)
}

/// Returns the steps that determined the duration of the run, first to last.
///
/// A step begins as soon as a step ends that it needs, or that occupied a worker. So it waited for the step that ended
/// last before it began, and the times suffice to find the path.
pub(super) fn critical(timings: &[Timing]) -> Vec<&'static str> {
    let mut path = Vec::new();
    let mut before = f64::INFINITY;
    let last_of = |before: f64, path: &[&str]| {
        let ended = timings.iter().filter(|timing| timing.end <= before && !path.contains(&timing.step));
        ended.max_by(|a, b| a.end.total_cmp(&b.end))
    };
    while let Some(timing) = last_of(before, &path) {
        path.push(timing.step);
        before = timing.begin;
    }
    path.reverse();
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timing(step: &'static str, begin: f64, end: f64) -> Timing {
        Timing { step, begin, end, kept: false }
    }

    #[test]
    fn path_follows_the_steps_that_were_waited_for() {
        let timings = [
            timing("pause", 0.0, 0.2),
            timing("libseccomp", 0.0, 38.0),
            timing("tree", 0.2, 1.0),
            timing("runc", 38.01, 60.0),
            timing("server", 1.0, 457.0),
            timing("bundle", 457.1, 500.0),
        ];
        assert_eq!(critical(&timings), ["pause", "tree", "server", "bundle"]);
        assert_eq!(span(&timings), 500.0);
    }

    #[test]
    fn zero_length_steps_do_not_loop() {
        let timings = [timing("a", 0.0, 0.0), timing("b", 0.0, 0.0)];
        assert_eq!(critical(&timings).len(), 2);
        assert!(critical(&[]).is_empty());
    }
}
