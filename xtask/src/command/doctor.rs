//! `cargo xtask doctor`: placeholder until written.
use crate::context::Context;
use anyhow::Result;
/// What each command needs, what was found, and the line that repairs it
#[derive(Clone, Debug, clap::Args)]
pub struct Args {}
impl Args {
    pub fn run(self, _context: &Context) -> Result<()> {
        Ok(())
    }
}
