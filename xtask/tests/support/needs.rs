//! Needs of a test. No test is skipped silently.

use std::io::Write;

/// Returns whether the executables of these packages exist, each given as `(executable, Debian package)`.
///
/// A missing one is a failure in CI. Elsewhere the test's part is skipped, and a message is printed past the test
/// harness, which hides what a passing test prints.
#[allow(dead_code, reason = "not every test program needs programs")]
pub fn programs(what: &str, programs: &[(&str, &str)]) -> bool {
    let missing: Vec<_> = programs.iter().filter(|(name, _)| xtask::process::find(name).is_none()).collect();
    if missing.is_empty() {
        return true;
    }
    let names: Vec<_> = missing.iter().map(|(name, _)| *name).collect();
    let packages: Vec<_> = missing.iter().map(|(_, package)| *package).collect();
    skip(what, &format!("{} (apt-get install {})", names.join(", "), packages.join(" ")));
    false
}

/// Fails in CI, and reports elsewhere, that a part is not tested because something is missing.
pub fn skip(what: &str, missing: &str) {
    let line = format!("NOT TESTED: {what}; it needs {missing}");
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{line}");
    writeln!(std::io::stderr(), "{line}").expect("standard error is open");
}

/// Returns whether every user of this machine may be root of a namespace of their own.
#[allow(dead_code, reason = "not every test program needs namespaces")]
pub fn namespaces(what: &str) -> bool {
    let unshare = ["--user", "--map-root-user", "--mount", "true"];
    let allowed = std::process::Command::new("unshare").args(unshare).output();
    let allowed = allowed.is_ok_and(|output| output.status.success());
    if !allowed {
        skip(what, "user namespaces (sysctl kernel.unprivileged_userns_clone=1)");
    }
    allowed
}
