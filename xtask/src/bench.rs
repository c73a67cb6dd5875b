//! Measurements, always of two things side by side in one run, printed as a ratio.

pub mod boot;
pub mod build;
pub mod emulated;
pub mod pause;
pub mod rpm;
pub mod sqlite;

use anyhow::Result;

/// One comparison.
pub struct Row {
    pub what: String,
    pub ours: f64,
    pub theirs: f64,
    pub unit: &'static str,
}

/// Does two things in turns, so many times each, and begins with the other one every time: what a machine does
/// besides meets both.
pub fn in_turns<T>(
    pairs: usize,
    mut ours: impl FnMut() -> Result<T>,
    mut theirs: impl FnMut() -> Result<T>,
) -> Result<Vec<(T, T)>> {
    let mut done = Vec::new();
    for number in 0..pairs {
        done.push(if number % 2 == 0 {
            let first = ours()?;
            (first, theirs()?)
        } else {
            let first = theirs()?;
            (ours()?, first)
        });
    }
    Ok(done)
}

/// Every pair of figures as a row, which shows how far they spread, and the two medians.
pub fn rows(what: &str, unit: &'static str, pairs: &[(f64, f64)]) -> Vec<Row> {
    let row = |what: String, (ours, theirs): (f64, f64)| Row { what, ours, theirs, unit };
    let each =
        pairs.iter().enumerate().map(|(index, pair)| row(format!("{what}, pair {}", index + 1), *pair));
    each.chain([row(format!("{what}, median"), medians(pairs))]).collect()
}

/// The middle ones of an odd number of pairs, each side by itself.
pub fn medians(pairs: &[(f64, f64)]) -> (f64, f64) {
    let median = |mut figures: Vec<f64>| {
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    };
    let (ours, theirs) = pairs.iter().copied().unzip();
    (median(ours), median(theirs))
}

/// Prints comparisons as a table: what, ours, what it is held against, and ours divided by that.
pub fn print(ours: &str, theirs: &str, rows: &[Row]) {
    println!("{:<44} {ours:>16} {theirs:>16} {:>8}", "", "ratio");
    for row in rows {
        let ratio = row.ours / row.theirs;
        println!(
            "{:<44} {:>16} {:>16} {ratio:>8.3}",
            row.what,
            figure(row.ours, row.unit),
            figure(row.theirs, row.unit)
        );
    }
}

/// Whole numbers whole, seconds with two places.
fn figure(value: f64, unit: &str) -> String {
    if value.fract() == 0.0 { format!("{value} {unit}") } else { format!("{value:.2} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[test]
    fn turns_begin_with_the_other_one_each_time() {
        let order = RefCell::new(String::new());
        let said = |word: &'static str| {
            order.borrow_mut().push_str(word);
            Ok(word)
        };
        let pairs = in_turns(3, || said("o"), || said("t")).unwrap();
        assert_eq!(*order.borrow(), "ottoot");
        assert!(pairs.iter().all(|pair| *pair == ("o", "t")), "{pairs:?}");
    }

    #[test]
    fn every_pair_is_shown_and_the_median_of_each_side() {
        let rows = rows("boot", "s", &[(3.0, 10.0), (1.0, 30.0), (2.0, 20.0)]);
        let shown: Vec<_> = rows.iter().map(|row| (row.what.as_str(), row.ours, row.theirs)).collect();
        assert_eq!(shown[0], ("boot, pair 1", 3.0, 10.0));
        assert_eq!(shown[3], ("boot, median", 2.0, 20.0));
        assert_eq!(shown.len(), 4);
    }
}
