//! rpmbuild and rpmspec, below a plain path and with rpm's own macros.

use crate::alias::Alias;
use crate::context::Context;
use crate::process::{Command, cmd};
use anyhow::Result;

/// The macro files of rpm itself, and none of the machine's (`/etc/rpm`, `macros.d`, a vendor's): those may move
/// directories, choose other digests, or put a foreign packager and bug URL into a header (rpm, macros(5) and
/// `MACROFILES` in configure.ac).
const MACRO_FILES: &str =
    "/usr/lib/rpm/macros:/usr/lib/rpm/platform/%{_target}/macros:/usr/lib/rpm/fileattrs/*.attr";

/// rpm's own table of architectures, without `/etc/rpmrc` and the user's.
const RC_FILE: &str = "/usr/lib/rpm/rpmrc";

/// Composes a run of `rpmbuild` or `rpmspec` with everything it writes below `topdir`, its `_topdir`.
pub fn command<'a>(
    context: &'a Context,
    name: &str,
    topdir: &Alias,
    definitions: &[String],
    arguments: &[&str],
) -> Result<Command<'a>> {
    let path = topdir.path();
    let configuration = [format!("--macros={MACRO_FILES}"), format!("--rcfile={RC_FILE}")];
    // A killed rpmbuild leaves its scripts in `_tmppath`.
    let directories = [format!("_topdir {}", path.display()), format!("_tmppath {}", path.display())];
    let definitions = directories.iter().chain(definitions).flat_map(|line| ["--define", line]);
    let command = cmd!(context, "{name} {configuration...} {definitions...} {arguments...}");
    // gpg and other tools that rpm calls must not read the user's home.
    Ok(command.env("HOME", path))
}
