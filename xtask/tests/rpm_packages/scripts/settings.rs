//! Tests of the part of the settings that `k3s-install.sh` writes: all others are the user's.

use super::install::install;
use super::{SETTINGS, WANTED, said, where_installed};
use crate::packages::{expect_success, ours};
use fs_err as fs;
use std::os::unix::fs::{PermissionsExt, symlink};

/// Returns the first and the last line of the part that `k3s-install.sh` writes.
fn marks() -> [String; 2] {
    let script = fs::read_to_string(ours("rpm/k3s-install.sh")).unwrap();
    ["BEGIN='", "END='"].map(|name| {
        let line = script.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim_end_matches('\'').to_owned()
    })
}

/// Returns the part that `k3s-install.sh` writes for `--x`.
fn part() -> String {
    let [begin, end] = marks();
    format!("{begin}\nOPTIONS=\"--x\"\n{end}\n")
}

#[test]
pub fn lines_of_the_user_survive_byte_for_byte() {
    let Some(root) = where_installed("the user's settings") else { return };
    let part = part();
    let crlf = part.replace('\n', "\r\n");
    for (name, before, with_options, without) in [
        ("empty", "", part.as_str(), ""),
        (
            "no newline at the end",
            "K3S_TOKEN=\"s\"",
            &format!("K3S_TOKEN=\"s\"\n{part}"),
            "K3S_TOKEN=\"s\"\n",
        ),
        ("carriage returns", "A=1\r\nB=2\r\n", &format!("A=1\r\nB=2\r\n{part}"), "A=1\r\nB=2\r\n"),
        ("a byte order mark", "\u{feff}A=1\n", &format!("\u{feff}A=1\n{part}"), "\u{feff}A=1\n"),
        (
            "tabs, blanks, backslashes",
            " A=\\1 \t\n\n\n",
            &format!(" A=\\1 \t\n\n\n{part}"),
            " A=\\1 \t\n\n\n",
        ),
        ("own lines in the middle", &format!("A=1\n{part}B=2\n"), &format!("A=1\nB=2\n{part}"), "A=1\nB=2\n"),
        (
            "own lines with carriage returns",
            &format!("A=1\r\n{crlf}B=2"),
            &format!("A=1\r\nB=2\n{part}"),
            "A=1\r\nB=2\n",
        ),
    ] {
        root.write(SETTINGS, before);
        expect_success(install(&root, &["k3s-install.sh", "--x"]));
        assert_eq!(root.read(SETTINGS), with_options, "{name}");
        expect_success(install(&root, &["k3s-install.sh", "--x"]));
        assert_eq!(root.read(SETTINGS), with_options, "{name}, the second time");
        expect_success(install(&root, &["k3s-install.sh"]));
        assert_eq!(root.read(SETTINGS), without, "{name}, without options");
    }
    let untouched = "K3S_TOKEN=\"s\"";
    root.write(SETTINGS, untouched);
    expect_success(install(&root, &["k3s-install.sh"]));
    assert_eq!(root.read(SETTINGS), untouched, "there is nothing to write");
}

#[test]
pub fn settings_that_cannot_be_edited_are_refused() {
    let Some(root) = where_installed("settings that cannot be edited") else { return };
    let ([begin, end], part) = (marks(), part());
    for text in [
        format!("{begin}\nOPTIONS=\"\"\nA=1\n"),
        format!("A=1\n{end}\nB=1\n"),
        format!("{end}\nA=1\n{begin}\n"),
        format!("{part}A=1\n{part}"),
        format!("{begin}\n{part}"),
        format!("\u{feff}{part}A=1\n"),
        format!(" {begin}\nA=1\n{end}\n"),
    ] {
        root.write(SETTINGS, &text);
        let refused = install(&root, &["k3s-install.sh", "--x"]);
        assert_eq!(refused.status.code(), Some(1), "{text}: {}", said(&refused));
        assert!(said(&refused).contains(&format!("{begin}\n  {end}")), "{}", said(&refused));
        assert_eq!(root.read(SETTINGS), text);
        assert!(!root.has(WANTED));
    }
    root.write(SETTINGS, "A=1\n");
    fs::set_permissions(root.path(SETTINGS), PermissionsExt::from_mode(0o400)).unwrap();
    let refused = install(&root, &["k3s-install.sh", "--x"]);
    assert!(said(&refused).contains("chmod u+w /etc/sysconfig/k3s"), "{}", said(&refused));
    assert_eq!(root.read(SETTINGS), "A=1\n");
    fs::remove_file(root.path(SETTINGS)).unwrap();
    symlink("nowhere/k3s", root.path(SETTINGS)).unwrap();
    let refused = install(&root, &["k3s-install.sh", "--x"]);
    assert!(said(&refused).contains("a link to nowhere"), "{}", said(&refused));
    assert_eq!(root.link(SETTINGS), "nowhere/k3s");
}

#[test]
pub fn a_link_to_the_settings_stays_a_link() {
    let Some(root) = where_installed("a link to the settings") else { return };
    root.write("/srv/settings", "A=1");
    fs::remove_file(root.path(SETTINGS)).unwrap();
    symlink("../../srv/settings", root.path(SETTINGS)).unwrap();
    expect_success(install(&root, &["k3s-install.sh", "--x"]));
    assert_eq!(root.link(SETTINGS), "../../srv/settings");
    assert_eq!(root.read("/srv/settings"), format!("A=1\n{}", part()));
    assert_eq!(root.mode("/srv/settings"), 0o600);
}
