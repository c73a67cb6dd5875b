//! `cargo xtask doctor`: what the commands need, what was found, and the one line that repairs it.

use crate::context::{Context, Network};
use crate::doctor::fix;
use crate::doctor::packages::Distribution;
use crate::doctor::search::{Finding, Search};
use crate::doctor::{self, Diagnosis, Purpose};
use crate::storage;
use crate::userns;
use anyhow::{Result, anyhow, bail};
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
        // What a command fetches by itself is no defect, unless it was to be here now.
        let fetchable = if self.fix || context.network == Network::Forbidden {
            ("✗", "is not in the cache")
        } else {
            ("○", "fetched when it is first needed")
        };
        show(&diagnoses, fetchable);
        let all = diagnoses.len();
        diagnoses.retain(|diagnosis| match diagnosis.finding {
            Finding::Found(_) => false,
            Finding::Fetchable => fetchable.0 == "✗",
            Finding::OffPath(_) | Finding::Missing(_) => true,
        });
        if diagnoses.is_empty() {
            return Ok(());
        }
        Err(self.failure(context, all, &diagnoses))
    }

    /// The error that ends with the line which repairs what is missing.
    fn failure(&self, context: &Context, all: usize, missing: &[Diagnosis]) -> anyhow::Error {
        let mut settings = Vec::new();
        for Diagnosis { need, .. } in missing {
            match need.search {
                Search::Namespaces => settings.extend(userns::setting().map(str::to_owned)),
                Search::Storage => {
                    let obstacles = storage::obstacles(context).unwrap_or_default();
                    settings.extend(obstacles.into_iter().filter_map(|obstacle| obstacle.repair));
                }
                _ => {}
            }
        }
        let remedies = doctor::remedies(missing, self.purpose, &settings);
        anyhow!("{} of {all} needs are not met{remedies}", missing.len())
    }

    /// Installs packages where this is root, fetches the tools, and looks again.
    fn repair(
        &self,
        context: &Context,
        offline: &Context,
        mut diagnoses: Vec<Diagnosis>,
    ) -> Result<Vec<Diagnosis>> {
        let distribution = Distribution::here();
        let packages = fix::packages(distribution, &diagnoses);
        if let Some(distribution) = distribution.filter(|_| !packages.is_empty() && userns::is_root()) {
            fix::install(context, distribution, &packages)?;
            // What was installed may be what it takes to fetch the rest.
            diagnoses = doctor::examine(offline, self.purpose);
        }
        for diagnosis in &diagnoses {
            if let (Finding::Fetchable, Search::Tool(tool)) = (&diagnosis.finding, &diagnosis.need.search)
                && let Err(error) = tool.get(context)
            {
                let causes = crate::error::chain(&error);
                context.progress.print(format!("cannot get {}: {causes}", diagnosis.need.name));
            }
        }
        Ok(doctor::examine(offline, self.purpose))
    }
}

/// Prints one line for each need: how it stands, what was found, what it is for.
fn show(diagnoses: &[Diagnosis], fetchable: (&'static str, &str)) {
    let colours =
        std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty());
    let paint = |code: &str, text: &str| {
        if colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    };
    let rows: Vec<_> =
        diagnoses.iter().map(|diagnosis| (diagnosis, told(&diagnosis.finding, fetchable))).collect();
    let name_width = rows.iter().map(|(diagnosis, _)| diagnosis.need.name.len()).max().unwrap_or_default();
    let found_width = rows.iter().map(|(_, (_, found))| found.len()).max().unwrap_or_default();
    for (Diagnosis { need, .. }, (mark, found)) in &rows {
        let colour = match *mark {
            "✓" => "32",
            "○" => "33",
            _ => "31",
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

/// A mark, and what was found in words.
fn told(finding: &Finding, fetchable: (&'static str, &str)) -> (&'static str, String) {
    match finding {
        Finding::Found(what) => ("✓", what.clone()),
        Finding::Fetchable => (fetchable.0, fetchable.1.to_owned()),
        Finding::OffPath(directory) => ("✗", format!("is in {directory}, which is not on your PATH")),
        Finding::Missing(what) => ("✗", what.clone()),
    }
}
