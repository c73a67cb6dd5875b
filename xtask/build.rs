//! Writes the digests of this program's own code, which take part in the cache keys of steps (src/code.rs).
//!
//! Comments and tests are left out, so that editing them rebuilds nothing.

use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=src");
    let mut files = Vec::new();
    collect(Path::new("src"), &mut files)?;
    files.sort();
    let mut table = "pub(crate) const FILES: &[(&str, &str)] = &[\n".to_owned();
    for file in files {
        let content = fs::read(&file)?;
        let code =
            if file.ends_with(".rs") { code(&String::from_utf8_lossy(&content)).into() } else { content };
        // The names are those of `std::panic::Location`, relative to the workspace.
        writeln!(table, "    ({:?}, \"{:x}\"),", format!("xtask/{file}"), Sha256::digest(code))
            .map_err(io::Error::other)?;
    }
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    fs::write(Path::new(&out).join("code.rs"), table + "];\n")
}

fn collect(directory: &Path, files: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path.to_string_lossy().into_owned());
        }
    }
    Ok(())
}

/// Returns the lines before the tests that are neither blank nor comments.
fn code(text: &str) -> String {
    let lines = text.lines().take_while(|line| *line != "#[cfg(test)]");
    lines
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}
