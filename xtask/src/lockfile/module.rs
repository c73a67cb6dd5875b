//! Locked Go modules, from which images are built.

use super::Lockfile;
use crate::context::Context;
use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

/// The checksums of a Go module, as go.sum has them (go.dev/ref/mod#go-sum-files).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ModuleSums {
    pub files: String,
    pub go_mod: String,
}

impl Lockfile {
    /// Returns the lines of a go.sum with the modules that are locked.
    pub fn go_sum(&self) -> String {
        let lines = |(name, sums): (&String, &ModuleSums)| {
            format!("{name} {}\n{name}/go.mod {}\n", sums.files, sums.go_mod)
        };
        self.entries().modules.iter().map(lines).collect()
    }

    /// Returns whether a module is locked to the checksum of its files: `path version checksum`.
    pub fn locks_module(&self, module: &str) -> bool {
        let Some((name, files)) = module.rsplit_once(' ') else { return false };
        self.entries().modules.get(name).is_some_and(|sums| sums.files == files)
    }

    /// Checks the checksums of a module, `path version`, against the lockfile, or adds them.
    pub fn agree_on_module(&self, context: &Context, name: &str, sums: &ModuleSums) -> Result<()> {
        let locked = self.entries().modules.get(name).cloned();
        match locked {
            Some(locked) if locked == *sums => Ok(()),
            Some(locked) => bail!(
                "the module {name} has changed\n  locked  {} ({})\n  found   {}",
                locked.files,
                self.path.display(),
                sums.files
            ),
            None => {
                self.require_adding(
                    &format!("the module {name}"),
                    &format!("--module {}", name.replace(' ', "@")),
                )?;
                let page = "the checksum database that `go env GOSUMDB` names";
                self.add(context, name, &sums.files, page, |entries| {
                    entries.modules.entry(name.to_owned()).or_insert_with(|| sums.clone()) == sums
                })
            }
        }
    }

    /// Locks a module to other checksums and returns those before (`cargo xtask bump`).
    pub fn replace_module(
        &self,
        context: &Context,
        name: &str,
        sums: &ModuleSums,
    ) -> Result<Option<ModuleSums>> {
        let mut before = None;
        self.change(context, |entries| {
            before = entries.modules.insert(name.to_owned(), sums.clone());
            Ok(())
        })?;
        Ok(before)
    }
}
