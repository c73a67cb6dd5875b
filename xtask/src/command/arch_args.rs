//! The option `--arch`: one architecture, or several.

use crate::target::{TARGETS, Target};

#[derive(Clone, Copy, Debug, clap::Args)]
pub struct ArchArg {
    /// The architecture: riscv64, arm64 or amd64
    #[arg(long, value_name = "ARCH", default_value = "riscv64", value_parser = Target::named)]
    pub arch: &'static Target,
}

#[derive(Clone, Debug, clap::Args)]
pub struct ArchList {
    /// The architectures, with commas between them: riscv64, arm64, amd64
    #[arg(long, value_name = "ARCH", value_delimiter = ',', default_value = "riscv64", value_parser = Target::named)]
    arch: Vec<&'static Target>,
}

impl ArchList {
    /// Returns the architectures, each once, in the order of [`TARGETS`].
    pub fn targets(&self) -> Vec<&'static Target> {
        TARGETS.iter().filter(|target| self.arch.contains(target)).collect()
    }
}
