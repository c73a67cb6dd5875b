//! Tests of the order of versions in rpm's own comparison.

use crate::needs;
use crate::packages::expect_success;
use std::cmp::Ordering;
use std::process::Command;
use xtask::rpm::nevra::rpm_version;

/// Compares two versions with `rpm.vercmp`, which rpm and dnf upgrade by.
fn compare(one: &str, other: &str) -> Ordering {
    let macro_text = format!("%{{lua:print(rpm.vercmp(\"{one}\", \"{other}\"))}}");
    let output = expect_success(Command::new("rpm").args(["--eval", &macro_text]).output().unwrap());
    output.trim().parse::<i32>().unwrap().cmp(&0)
}

fn version(text: &str) -> String {
    rpm_version(&text.parse().unwrap(), "7d66fa7ff85e47e4ae3cc8b0d7d2d4b1a5d6e0aa", 1_732_665_600).unwrap()
}

#[test]
fn versions_order_as_releases_do() {
    if !needs::programs("the order of versions", &[("rpm", "rpm")]) {
        return;
    }
    let order = [
        // openEuler's version, in its own notation.
        "1.24.2+rc1+k3s2".to_owned(),
        version("v1.31.1-rc2+k3s1"),
        version("v1.31.1-rc10+k3s1"),
        // A tree between v1.31.1's candidates and its first k3s release.
        version("v1.31.1+k3s-7d66fa7f"),
        version("v1.31.1+k3s1"),
        version("v1.31.1+k3s2"),
        version("v1.31.1+k3s10"),
        version("v1.31.2+k3s1"),
        version("v1.33.0-rc1+k3s1"),
        version("v1.33.0+k3s1"),
    ];
    for pair in order.windows(2) {
        assert_eq!(compare(&pair[0], &pair[1]), Ordering::Less, "{pair:?}");
    }
}

#[test]
fn later_trees_and_packages_order_later() {
    if !needs::programs("the order of trees and releases", &[("rpm", "rpm")]) {
        return;
    }
    let tree = |commit: &str, time| {
        rpm_version(&format!("v1.31.1+k3s-{}", &commit[..8]).parse().unwrap(), commit, time).unwrap()
    };
    let (earlier, later) = (tree("ffffffffff", 1_732_665_600), tree("0000000000", 1_732_752_000));
    assert_eq!(compare(&earlier, &later), Ordering::Less);
    for (one, other) in [("1.oe2403", "2.oe2403"), ("9.oe2403", "10.oe2403"), ("1.oe2303", "1.oe2403")] {
        assert_eq!(compare(one, other), Ordering::Less, "{one} {other}");
    }
}
