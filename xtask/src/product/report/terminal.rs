//! The summary that a build prints at its end.

use super::title;
use crate::page::size;
use crate::process::quoted;
use crate::product::caveat;
use crate::product::manifest::Manifest;
use crate::target::Target;
use crate::upstream::release::Origin;
use clap::builder::styling::{AnsiColor, Style};
use std::fmt::{self, Display, Formatter};

/// A finished product in a few lines.
#[derive(Clone, Debug)]
pub struct Summary<'a> {
    pub manifest: &'a Manifest,
    /// The directory of the product, as it is printed.
    pub directory: &'a str,
    pub machine: Machine,
    /// The version that a build without options builds.
    pub default_k3s: &'a str,
}

/// The machine that the product can be started on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    /// This one.
    This,
    Another,
}

const STRONG: Style = Style::new().bold();
const SOFT: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default();
const CAUTION: Style = AnsiColor::Yellow.on_default();

impl Display for Summary<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Manifest { files, checks, patches, .. } = self.manifest;
        writeln!(f, "\n{STRONG}{}{STRONG:#}", title(self.manifest))?;
        for caveat in caveat::all(self.manifest) {
            writeln!(f, "  {CAUTION}! {:<24}{CAUTION:#} {}", caveat.label, caveat.sentence)?;
        }
        let names: Vec<&str> = patches.iter().map(|patch| patch.name.as_str()).collect();
        if !names.is_empty() {
            writeln!(f, "  {GOOD}✓{GOOD:#} {:<24} {}", "patched", names.join(", "))?;
        }
        let made = checks.iter().filter(|check| check.has_passed()).count();
        let passed = format!("{made} {} passed", if made == 1 { "check" } else { "checks" });
        writeln!(f, "  {GOOD}✓{GOOD:#} {passed:<24} evidence in report.html")?;

        writeln!(f, "\n  {}/", self.directory)?;
        for (name, entry) in files {
            writeln!(f, "    {name:<24} {:>10}", size(entry.size))?;
        }
        for (name, what) in [
            ("manifest.json", "versions, checksums, patches, checks"),
            ("SHA256SUMS", "for sha256sum --check"),
            ("report.html", "steps, sizes, patches, checks"),
        ] {
            writeln!(f, "    {name:<24} {SOFT}{what}{SOFT:#}")?;
        }

        let (whence, commands) = self.next();
        write!(f, "\n  Next, {whence}:")?;
        commands.iter().try_for_each(|command| write!(f, "\n    {STRONG}{command}{STRONG:#}"))
    }
}

impl Summary<'_> {
    /// Returns the next commands for the user to try.
    fn next(&self) -> (String, Vec<String>) {
        let Manifest { origin, arch, .. } = self.manifest;
        if *origin == Origin::Sample {
            let option = if arch == "riscv64" { String::new() } else { format!(" --arch {arch}") };
            return (format!("k3s {} itself", self.default_k3s), vec![format!("cargo xtask build{option}")]);
        }
        let name = Target::named(arch).map_or_else(|_| "k3s".to_owned(), Target::k3s_binary);
        let path = quoted(&format!("{}/{name}", self.directory));
        match self.machine {
            Machine::This => ("on this machine".to_owned(), vec![format!("sudo {path} server")]),
            Machine::Another => (
                "with your board's address as BOARD".to_owned(),
                vec![format!("scp {path} BOARD:"), format!("ssh -t BOARD sudo ./{name} server")],
            ),
        }
    }
}
