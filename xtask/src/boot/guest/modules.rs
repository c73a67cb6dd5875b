//! Which kernel modules have to be loaded, and in which order.

use anyhow::{Context as _, Result, bail};
use fs_err as fs;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What depmod(8) knows of one kernel's modules.
#[derive(Debug, Default)]
pub struct Modules {
    /// Each module's file, below the folder of the kernel, and those it needs, last first.
    files: BTreeMap<String, (String, Vec<String>)>,
    builtin: BTreeSet<String>,
}

impl Modules {
    /// Reads a folder such as `/lib/modules/6.12.0` after depmod.
    pub fn read(folder: &Path) -> Result<Modules> {
        let text = |name: &str| fs::read_to_string(folder.join(name));
        Ok(Modules::parse(&text("modules.dep")?, &text("modules.builtin")?))
    }

    /// Reads the texts of `modules.dep` and `modules.builtin` (modules.dep(5), modules.builtin(5)).
    fn parse(dependencies: &str, builtin: &str) -> Modules {
        let lines = dependencies.lines().filter_map(|line| line.split_once(':'));
        let files = lines.map(|(file, needs)| {
            (name(file), (file.to_owned(), needs.split_whitespace().map(name).collect()))
        });
        Modules { files: files.collect(), builtin: builtin.lines().map(name).collect() }
    }

    /// The files of these modules and of all they need, each after those it needs itself. What is built into
    /// the kernel has no file.
    pub fn in_order(&self, wanted: &[&str]) -> Result<Vec<String>> {
        let mut order = Vec::new();
        for module in wanted {
            self.append(module, &mut order)?;
        }
        Ok(order)
    }

    /// Whether there is such a module, or the kernel has it built in.
    pub fn has(&self, module: &str) -> bool {
        self.files.contains_key(module) || self.builtin.contains(module)
    }

    fn append(&self, module: &str, order: &mut Vec<String>) -> Result<()> {
        if self.builtin.contains(module) {
            return Ok(());
        }
        let Some((file, needs)) = self.files.get(module) else {
            bail!("the guest's kernel has no module {module}, and has it not built in");
        };
        if order.contains(file) {
            return Ok(());
        }
        for need in needs.iter().rev() {
            self.append(need, order).with_context(|| format!("for the module {module}"))?;
        }
        order.push(file.clone());
        Ok(())
    }
}

/// A module's name, by its file: `kernel/fs/ext4/ext4.ko.xz` is `ext4`, and dashes are underscores.
fn name(file: &str) -> String {
    let base = file.rsplit('/').next().unwrap_or(file);
    base.split(".ko").next().unwrap_or(base).replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEPENDENCIES: &str = "\
kernel/fs/mbcache.ko.xz:
kernel/fs/jbd2/jbd2.ko.xz:
kernel/fs/ext4/ext4.ko.xz: kernel/fs/jbd2/jbd2.ko.xz kernel/fs/mbcache.ko.xz
kernel/drivers/virtio/virtio-mmio.ko.xz: kernel/drivers/virtio/virtio.ko.xz kernel/drivers/virtio/virtio_ring.ko.xz
kernel/drivers/virtio/virtio.ko.xz: kernel/drivers/virtio/virtio_ring.ko.xz
";

    #[test]
    fn a_module_comes_after_all_it_needs_and_only_once() {
        let modules = Modules::parse(DEPENDENCIES, "kernel/drivers/virtio/virtio_ring.ko\n");
        let order = modules.in_order(&["virtio_mmio", "ext4", "jbd2"]).unwrap();
        let names: Vec<String> = order.iter().map(|file| name(file)).collect();
        assert_eq!(names, ["virtio", "virtio_mmio", "mbcache", "jbd2", "ext4"]);
        assert!(modules.has("virtio_ring") && !modules.has("xfs"));
    }

    #[test]
    fn a_module_that_is_nowhere_is_named() {
        let error = Modules::parse(DEPENDENCIES, "").in_order(&["xfs"]).unwrap_err();
        assert_eq!(error.to_string(), "the guest's kernel has no module xfs, and has it not built in");
    }
}
