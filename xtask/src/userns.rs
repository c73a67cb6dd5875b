//! User namespaces: root without privileges. The server is started in one for its check, file systems are made in one,
//! and tests install packages in one.

use crate::context::Context;
use crate::process::{Command, cmd};
use anyhow::Result;
use fs_err as fs;

/// Checks whether a user may create user and network namespaces here.
pub fn are_allowed(context: &Context) -> Result<bool> {
    Ok(cmd!(context, "unshare --map-root-user --net true").succeeds())
}

/// Checks whether the user is root already, and needs no namespace.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Begins a command that root runs as it is, and any other user as root of a namespace in which the user's own files
/// belong to root.
pub fn as_root<'a>(context: &'a Context, executable: &str) -> Command<'a> {
    if is_root() {
        cmd!(context, "{executable}")
    } else {
        cmd!(context, "unshare --map-root-user {executable}")
    }
}

/// Returns the command for root that allows user namespaces, if a kernel setting forbids them.
pub fn setting() -> Option<&'static str> {
    setting_among(|file| fs::read_to_string(format!("/proc/sys/{file}")).ok())
}

fn setting_among(read: impl Fn(&str) -> Option<String>) -> Option<&'static str> {
    let is = |file: &str, value: &str| read(file).is_some_and(|text| text.trim() == value);
    if is("user/max_user_namespaces", "0") {
        Some("sysctl -w user.max_user_namespaces=10000")
    } else if is("kernel/apparmor_restrict_unprivileged_userns", "1") {
        // Ubuntu since 23.10.
        Some("sysctl -w kernel.apparmor_restrict_unprivileged_userns=0")
    } else if is("kernel/unprivileged_userns_clone", "0") {
        // Debian's kernels.
        Some("sysctl -w kernel.unprivileged_userns_clone=1")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_forbidding_setting() {
        let with = |file: &'static str, value: &'static str| {
            setting_among(move |asked| (asked == file).then(|| format!("{value}\n")))
        };
        assert!(with("user/max_user_namespaces", "0").unwrap().contains("max_user_namespaces="));
        assert_eq!(with("user/max_user_namespaces", "4096"), None);
        assert!(with("kernel/apparmor_restrict_unprivileged_userns", "1").unwrap().ends_with("=0"));
        assert!(with("kernel/unprivileged_userns_clone", "0").unwrap().ends_with("=1"));
    }
}
