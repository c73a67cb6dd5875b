//! `cargo xtask bump`: the only way to change what k3s.lock.json says.

use crate::context::Context;
use crate::lock::{Adding, Lock};
use anyhow::{Result, bail};

/// Forget what a tag was locked to, so that its next build locks it anew
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The tag, of k3s or of a CNI source
    #[arg(long, value_name = "TAG")]
    k3s: String,
}

impl Args {
    pub fn run(self, context: &Context) -> Result<()> {
        let forgotten = Lock::open(&context.lock_file, Adding::Allowed)?.forget(context, &self.k3s)?;
        if forgotten.is_empty() {
            bail!("{} locks no tag {}", context.lock_file.display(), self.k3s);
        }
        for entry in forgotten {
            println!("forgotten: {entry}");
        }
        println!("the next build of {} locks it anew", self.k3s);
        Ok(())
    }
}
