//! The programs that packages are made with. `doctor` knows them, and what installs them.

use crate::context::{Context, Network};
use crate::doctor::needs::NEEDS;
use crate::doctor::repair::{self, Family};
use crate::doctor::search::Finding;
use crate::doctor::{Diagnosis, Purpose};
use anyhow::{Result, bail};

/// For packages and their repository, by their names in doctor's table.
pub const PACKAGING: &[&str] = &["rpmbuild", "createrepo_c"];

/// For signatures.
pub const SIGNING: &[&str] = &["rpmsign", "gpg"];

/// Makes sure that all of them are there; the error ends with the line that installs the rest.
pub fn require(context: &Context, names: &[&str]) -> Result<()> {
    let offline = Context::new(Some(context.jobs), Network::Forbidden)?;
    let needs = NEEDS.iter().filter(|need| names.contains(&need.name));
    let found = needs.map(|need| Diagnosis { need, finding: need.search.look(&offline) });
    let missing: Vec<Diagnosis> =
        found.filter(|diagnosis| !matches!(diagnosis.finding, Finding::Found(_))).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let tools: Vec<&str> = missing.iter().map(|diagnosis| diagnosis.need.name).collect();
    let lines = repair::lines(Family::here(), &missing, None, Some(Purpose::Rpm));
    bail!("not found: {}; this repairs it:\n{}", tools.join(", "), lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doctor_knows_every_program_that_is_asked_for() {
        for name in PACKAGING.iter().chain(SIGNING) {
            assert!(NEEDS.iter().any(|need| need.name == *name), "{name}");
        }
    }
}
