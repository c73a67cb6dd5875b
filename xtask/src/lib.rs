//! From a k3s release to riscv64 packages.
//!
//! The modules are listed from the ground up: each uses only modules above it in this list, which a test
//! checks. docs/architecture.md draws how the data passes through them.

// Values: text, numbers and bytes, read and written without the rest of the machine.
pub mod atomic_file;
pub mod clock;
pub mod prose;
pub mod digest;
pub mod code;
pub mod dir;
pub mod elf;
pub mod purl;
pub mod reference;
pub mod releases_url;
pub mod spdx;
pub mod target;
pub mod tree_path;
pub mod url;

// A run: its settings, messages, child processes, downloads and locks.
pub mod error;
pub mod pins;
pub mod progress;
pub mod context;
pub mod process;
pub mod alias;
pub mod archive;
pub mod file_lock;
pub mod atomic_dir;
pub mod fetch;
pub mod lockfile;
pub mod page;
pub mod trust;
pub mod repository;
pub mod run_directory;
pub mod step;
pub mod storage;
pub mod userns;
pub mod workspace;

// The pipeline, in the order in which the data passes it.
pub mod toolchain;
pub mod image;
pub mod upstream;
pub mod patch;
pub mod pause;
pub mod k3s;
pub mod product;
pub mod images;
pub mod sample;
pub mod vendoring;
pub mod rpm;
pub mod boot;
pub mod release;

// The command line.
pub mod doctor;
pub mod command;
pub mod cli;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    /// Returns the modules of this crate that a file imports, its tests aside.
    fn imports(text: &str) -> impl Iterator<Item = &str> {
        let code = text.split("\n#[cfg(test)]").next().unwrap_or_default();
        let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        lines.flat_map(|line| line.split("crate::").skip(1)).map(|path| {
            path.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default()
        })
    }

    #[test]
    fn modules_use_only_modules_above_them() {
        let order: Vec<&str> = include_str!("lib.rs")
            .lines()
            .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
            .collect();
        let rank = |module: &str| order.iter().position(|name| *name == module);
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut upward = Vec::new();
        for file in walkdir::WalkDir::new(&sources) {
            let file = file.unwrap();
            let path = file.path().strip_prefix(&sources).unwrap().with_extension("");
            let own = path.iter().next().and_then(|name| rank(name.to_str()?));
            let (Some(own), true) = (own, file.file_type().is_file()) else { continue };
            let Ok(text) = fs::read_to_string(file.path()) else { continue };
            for module in imports(&text) {
                if rank(module).is_none_or(|used| used > own) {
                    upward.push(format!("{} uses {module:?}", path.display()));
                }
            }
        }
        assert!(upward.is_empty(), "{upward:#?}");
    }

    #[test]
    fn imports_are_found() {
        let text = "use crate::url::shown;\n/// [`crate::rpm`]\nlet x = crate::error::chain();\n\n#[cfg(test)]\ncrate::boot";
        assert_eq!(imports(text).collect::<Vec<_>>(), ["url", "error"]);
    }
}
