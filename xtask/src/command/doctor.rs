//! `cargo xtask doctor`: what the commands need, what was found, and the one line that repairs it.

use crate::context::{Context, Network};
use crate::doctor::repair::{self, Family};
use crate::doctor::search::{Finding, Search};
use crate::doctor::{self, Diagnosis, Purpose};
use anyhow::{Result, bail};
use std::io::IsTerminal;

/// What each command needs, what was found, and the line that repairs it
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask doctor                     everything that any command needs
  cargo xtask doctor --for build         what `build` needs
  cargo xtask doctor --fix --for test    as root: install it; fetch all tools now, for --offline")]
pub struct Args {
    /// Only what this command needs [default: what all of them need]
    #[arg(long = "for", value_name = "COMMAND", value_enum)]
    purpose: Option<Purpose>,

    /// Repair it: install packages, which takes root, and fetch what commands would fetch by themselves
    #[arg(long)]
    fix: bool,
}

impl Args {
    pub fn run(&self, context: &Context) -> Result<()> {
        let offline = Context::new(Some(context.jobs), Network::Forbidden)?;
        let mut diagnoses = doctor::examine(&offline, self.purpose);
        if self.fix {
            if context.network == Network::Forbidden {
                bail!("--fix fetches what is missing, and --offline forbids that");
            }
            diagnoses = self.repair(context, &offline, diagnoses)?;
        }
        show(&diagnoses);
        // What a command fetches by itself is no defect, unless it was to be here now.
        let tolerated = !self.fix && context.network == Network::Allowed;
        let whole = |diagnosis: &&Diagnosis| match diagnosis.finding {
            Finding::Found(_) => true,
            Finding::Fetchable => tolerated,
            Finding::Missing(_) => false,
        };
        let missing = diagnoses.len() - diagnoses.iter().filter(whole).count();
        if missing == 0 {
            return Ok(());
        }
        let lines = repair::lines(Family::here(), &diagnoses, setting(&diagnoses), self.purpose);
        if lines.is_empty() {
            bail!("{missing} of {} are missing, and no package is known for them here", diagnoses.len());
        }
        bail!("{missing} of {} are missing; to repair it:\n{}", diagnoses.len(), lines.join("\n"));
    }

    /// Installs packages where this is root, fetches the tools, and looks again.
    fn repair(
        &self,
        context: &Context,
        offline: &Context,
        mut diagnoses: Vec<Diagnosis>,
    ) -> Result<Vec<Diagnosis>> {
        let family = Family::here();
        let packages = repair::packages(family, &diagnoses);
        if !packages.is_empty() && nix::unistd::geteuid().is_root() {
            repair::install(context, family, &packages)?;
            // What was installed may be what it takes to fetch the rest.
            diagnoses = doctor::examine(offline, self.purpose);
        }
        for diagnosis in &diagnoses {
            if let (Finding::Fetchable, Search::Tool(tool)) = (&diagnosis.finding, &diagnosis.need.search)
                && let Err(error) = tool.get(context)
            {
                let story = crate::error::story(&error);
                context.progress.say(format!("cannot get {}: {story}", diagnosis.need.name));
            }
        }
        Ok(doctor::examine(offline, self.purpose))
    }
}

/// The command that allows user namespaces, if they were looked for and are not.
fn setting(diagnoses: &[Diagnosis]) -> Option<&'static str> {
    let forbidden = |diagnosis: &Diagnosis| {
        matches!((&diagnosis.need.search, &diagnosis.finding), (Search::Namespaces, Finding::Missing(_)))
    };
    let read = |file: &str| fs_err::read_to_string(format!("/proc/sys/{file}")).ok();
    diagnoses.iter().any(forbidden).then(|| repair::setting(read)).flatten()
}

/// Prints one line for each need: how it stands, what was found, what it is for.
fn show(diagnoses: &[Diagnosis]) {
    let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty());
    let paint = |code: &str, text: &str| {
        if colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    };
    let rows: Vec<_> = diagnoses.iter().map(|diagnosis| (diagnosis, found(&diagnosis.finding))).collect();
    let name_width = rows.iter().map(|(diagnosis, _)| diagnosis.need.name.len()).max().unwrap_or_default();
    let found_width = rows.iter().map(|(_, (_, found))| found.len()).max().unwrap_or_default();
    for (Diagnosis { need, finding }, (mark, found)) in &rows {
        let colour = match finding {
            Finding::Found(_) => "32",
            Finding::Fetchable => "33",
            Finding::Missing(_) => "31",
        };
        let users: Vec<&str> = need.purposes.iter().map(|purpose| purpose.name()).collect();
        println!(
            "{} {:<name_width$}  {found:<found_width$}  {}",
            paint(colour, mark),
            need.name,
            paint("2", &format!("{} ({})", need.why, users.join(", ")))
        );
    }
}

fn found(finding: &Finding) -> (&'static str, &str) {
    match finding {
        Finding::Found(what) => ("✓", what),
        Finding::Fetchable => ("○", "fetched when it is first needed"),
        Finding::Missing(what) => ("✗", what),
    }
}
