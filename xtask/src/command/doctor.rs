//! `cargo xtask doctor`: the commands' requirements, what was found, and the line that installs the rest.

use crate::context::{Context, Network};
use crate::doctor::fix;
use crate::doctor::packages::Distribution;
use crate::doctor::search::{Finding, Search};
use crate::doctor::{self, Diagnosis, Purpose};
use crate::storage;
use crate::userns;
use anyhow::{Result, anyhow, bail};
use clap::builder::styling::{AnsiColor, Style};

/// Check what each command needs, and print the line that installs what is missing
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask doctor                     everything that any command needs
  cargo xtask doctor --for build         what `build` needs
  cargo xtask doctor --fix --for test    as root: install it; fetch all tools now, for --offline")]
pub struct Args {
    /// Only what this command needs [default: what all of them need]
    #[arg(long = "for", value_name = "COMMAND", value_enum)]
    purpose: Option<Purpose>,

    /// Install missing packages, which takes root, and fetch what commands would fetch by themselves
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
            diagnoses = self.install(context, &offline, diagnoses)?;
        }
        // Tools that commands fetch by themselves may be missing, unless they are to be here now.
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

    /// Returns the error, which ends with the line that installs what is missing.
    fn failure(&self, context: &Context, all: usize, missing: &[Diagnosis]) -> anyhow::Error {
        let mut settings = Vec::new();
        for Diagnosis { requirement, .. } in missing {
            match requirement.search {
                Search::Namespaces => settings.extend(userns::setting().map(str::to_owned)),
                Search::Storage => {
                    let obstacles = storage::obstacles(context).unwrap_or_default();
                    settings.extend(obstacles.into_iter().filter_map(|obstacle| obstacle.repair));
                }
                _ => {}
            }
        }
        let remedies = doctor::remedies(missing, self.purpose, &settings);
        anyhow!("{} of {all} requirements are not met{remedies}", missing.len())
    }

    /// Installs packages where this is root, fetches the tools, and looks again.
    fn install(
        &self,
        context: &Context,
        offline: &Context,
        mut diagnoses: Vec<Diagnosis>,
    ) -> Result<Vec<Diagnosis>> {
        let distribution = Distribution::here();
        let packages = fix::packages(distribution, &diagnoses);
        if let Some(distribution) = distribution.filter(|_| !packages.is_empty() && userns::is_root()) {
            fix::install(context, distribution, &packages)?;
            // The packages may be what it takes to fetch the rest.
            diagnoses = doctor::examine(offline, self.purpose);
        }
        for diagnosis in &diagnoses {
            if let (Finding::Fetchable, Search::Tool(tool)) =
                (&diagnosis.finding, &diagnosis.requirement.search)
                && let Err(error) = tool.get(context)
            {
                let causes = crate::error::chain(&error);
                context.progress.print(format!("cannot get {}: {causes}", diagnosis.requirement.name));
            }
        }
        Ok(doctor::examine(offline, self.purpose))
    }
}

/// Prints one line for each requirement: a mark, the finding, the use.
fn show(diagnoses: &[Diagnosis], fetchable: (&'static str, &str)) {
    let rows: Vec<_> =
        diagnoses.iter().map(|diagnosis| (diagnosis, described(&diagnosis.finding, fetchable))).collect();
    let name_width =
        rows.iter().map(|(diagnosis, _)| diagnosis.requirement.name.len()).max().unwrap_or_default();
    let found_width = rows.iter().map(|(_, (_, found))| found.len()).max().unwrap_or_default();
    for (Diagnosis { requirement, .. }, (mark, found)) in &rows {
        let colour = match *mark {
            "✓" => AnsiColor::Green,
            "○" => AnsiColor::Yellow,
            _ => AnsiColor::Red,
        };
        let (colour, dimmed) = (colour.on_default(), Style::new().dimmed());
        let users: Vec<String> = requirement.purposes.iter().map(|purpose| purpose.name()).collect();
        anstream::println!(
            "{colour}{mark}{colour:#} {:<name_width$}  {found:<found_width$}  {dimmed}{} ({}){dimmed:#}",
            requirement.name,
            requirement.why,
            users.join(", ")
        );
    }
}

/// Returns a mark and a description of a finding.
fn described(finding: &Finding, fetchable: (&'static str, &str)) -> (&'static str, String) {
    match finding {
        Finding::Found(what) => ("✓", what.clone()),
        Finding::Fetchable => (fetchable.0, fetchable.1.to_owned()),
        Finding::OffPath(directory) => ("✗", format!("is in {directory}, which is not on your PATH")),
        Finding::Missing(what) => ("✗", what.clone()),
    }
}
