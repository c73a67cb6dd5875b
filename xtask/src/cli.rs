//! The command line. The options of each command are in its own file.

use crate::command::{
    bench, boot, build, bump, cache, doctor, images, patch, pause, release, rpm, test, verify, watch,
};
use crate::context::{Context, Network};
use crate::file_lock::FileLock;
use crate::run_directory::RunDirectory;
use crate::storage;
use anyhow::{Result, anyhow};
use clap::{Parser, Subcommand};

/// From a k3s release to riscv64 RPMs.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, max_term_width = 100)]
#[command(after_help = "Examples:
  cargo xtask doctor                        what this machine has, and what is missing
  cargo xtask build --sample                the complete pipeline on the sample, in one to two minutes
  cargo xtask build --k3s v1.35             the newest v1.35 release for riscv64
  cargo xtask rpm --k3s v1.35               its packages for openEuler, and their repository
  cargo xtask boot --k3s v1.35              its boot tests, in a riscv64 VM
  cargo xtask pause --for-installed-k3s     the one file that fixes an installed k3s")]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,

    /// Do not access the network; list what is missing from the cache
    #[arg(long, global = true)]
    pub offline: bool,

    /// Number of parallel steps [default: the number of processors]
    #[arg(short, long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Build(build::Args),
    Patch(patch::Args),
    Rpm(rpm::Args),
    Boot(boot::Args),
    Release(release::Args),
    Verify(verify::Args),
    Pause(pause::Args),
    Images(images::Args),
    Doctor(doctor::Args),
    Test(test::Args),
    Cache(cache::Args),
    Bump(bump::Args),
    Watch(watch::Args),
    Bench(bench::Args),
}

impl Cli {
    /// Runs the command.
    pub fn run(self) -> Result<()> {
        let network = if self.offline { Network::Forbidden } else { Network::Allowed };
        let context = Context::new(self.jobs.map(usize::from), network)?;
        let in_use = match self.command {
            // It locks both exclusively.
            Command::Cache(_) => None,
            // It reports directories that cannot be written.
            Command::Doctor(_) if storage::require(&context).is_err() => None,
            _ => {
                storage::require(&context)?;
                let locks = [
                    FileLock::acquire_shared(&context, &context.cache_in_use())?,
                    FileLock::acquire_shared(&context, &context.work_in_use())?,
                ];
                Some((locks, RunDirectory::create(&context, &context.scratch())?))
            }
        };
        if let Some((_, scratch)) = &in_use {
            // For our own scratch files and those of child processes, which a signal would leave in /tmp otherwise.
            tempfile::env::override_temp_dir(scratch.path())
                .map_err(|other| anyhow!("scratch files go to {} already", other.display()))?;
        }
        match self.command {
            Command::Build(args) => args.run(context),
            Command::Patch(args) => args.run(context),
            Command::Rpm(args) => args.run(context),
            Command::Boot(args) => args.run(context),
            Command::Release(args) => args.run(context),
            Command::Verify(args) => args.run(context),
            Command::Pause(args) => args.run(&context),
            Command::Images(args) => args.run(context),
            Command::Doctor(args) => args.run(&context),
            Command::Test(args) => args.run(&context),
            Command::Cache(args) => args.run(&context),
            Command::Bump(args) => args.run(&context),
            Command::Watch(args) => args.run(&context),
            Command::Bench(args) => args.run(&context),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn command_line_is_well_formed() {
        super::Cli::command().debug_assert();
    }
}
