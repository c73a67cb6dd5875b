//! `k3s-check`, the script that checks whether a machine can be a node. No clock is earlier than a k3s that it can run,
//! so the script contains the day of the one it is published with.

use crate::clock;
use anyhow::Result;
use fs_err as fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

pub const NAME: &str = "k3s-check";

/// The script, with the day on which it was written.
pub const SCRIPT: &str = include_str!("../../../node/k3s-check");

/// Returns the script for a k3s of this time, in seconds since 1970.
pub fn script(time: i64) -> String {
    let day = clock::rfc3339(time);
    let line = |line: &str| match line.starts_with("BUILT=") {
        true => format!("BUILT={}\n", &day[..10]),
        false => line.to_owned(),
    };
    SCRIPT.split_inclusive('\n').map(line).collect()
}

/// Writes the script into a directory, as an executable.
pub fn write(directory: &Path, time: i64) -> Result<()> {
    let file = directory.join(NAME);
    fs::write(&file, script(time))?;
    Ok(fs::set_permissions(file, PermissionsExt::from_mode(0o755))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn script_contains_the_day_of_its_k3s() {
        let days = |script: &str| -> Vec<String> {
            script.lines().filter(|line| line.starts_with("BUILT=")).map(str::to_owned).collect()
        };
        assert_eq!(days(SCRIPT).len(), 1);
        assert_eq!(days(&script(1_800_000_000)), ["BUILT=2027-01-15"]);
        assert_eq!(script(1_800_000_000).len(), SCRIPT.len());
    }
}
