//! Measurements, always of two things in one run, printed as a ratio.

pub mod build;
pub mod pause;

/// One comparison.
pub struct Row {
    pub what: String,
    pub ours: f64,
    pub theirs: f64,
    pub unit: &'static str,
}

/// Prints comparisons as a table: what, ours, what it is compared with, and the ratio.
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

/// Formats whole numbers as such, others with two decimal places.
fn figure(value: f64, unit: &str) -> String {
    if value.fract() == 0.0 { format!("{value} {unit}") } else { format!("{value:.2} {unit}") }
}
