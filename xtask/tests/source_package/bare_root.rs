//! A root file system with what the source package requires, a directory to build in, and nothing more.

use crate::distribution;
use crate::test_env;
use fs_err as fs;
use std::ffi::OsStr;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use xtask::target::Target;
use xtask::toolchain::{go::AnyGo, zig::Zig};

/// User ID of the builder: `nobody` on every system.
pub const NOBODY: u32 = 65_534;

/// Script that makes the root at `$1` of the files that `$2` lists, with the tools `$3`, `$4`, `$5` and the directory
/// `$6`, and runs a script there as the user `nobody`. Rust is found as rustup's is: its commands in PATH start those of
/// a toolchain in RUSTUP_HOME, or else in the user's home.
const ENTER: &str = r#"
root=$1 files=$2 go=$3 zig=$4 rust=$5 build=$6 script=$7
mount -t tmpfs -o mode=755 none "$root"
cd "$root"
for directory in bin sbin lib lib32 lib64 libx32; do
    if [ -L "/$directory" ]; then
        ln -s "$(readlink "/$directory")" "$directory"
        mkdir -p "$(readlink "/$directory")"
    fi
done
tar -C / -c --no-recursion --files-from="$files" | tar -x --keep-directory-symlink
mkdir -p etc proc dev tmp build tools/bin tools/go tools/zig tools/rust tools/home/.rustup/toolchains var/tmp
chmod 1777 tmp var/tmp
echo 'nobody:x:65534:65534::/tools/home:/bin/sh' >etc/passwd
echo 'nogroup:x:65534:' >etc/group
for command in cargo rustc; do
    printf '#!/bin/sh\nexec "${RUSTUP_HOME:-$HOME/.rustup}/toolchains/stable/bin/%s" "$@"\n' $command >tools/bin/$command
    chmod 755 tools/bin/$command
done
ln -s /tools/rust tools/home/.rustup/toolchains/stable
mount -t proc none proc
mount --rbind /dev dev
mount --rbind -o ro "$go" tools/go
mount --rbind -o ro "$zig" tools/zig
mount --rbind -o ro "$rust" tools/rust
mount --bind "$build" build
exec chroot --userspec=65534:65534 . /usr/bin/env -i HOME=/tools/home LC_ALL=C.UTF-8 \
    PATH=/tools/bin:/tools/go/bin:/tools/zig:/usr/sbin:/usr/bin:/sbin:/bin sh -ec "cd /build; $script"
"#;

/// The files of the distribution, and compilers at the versions that the product was built with.
pub struct Tools {
    files: tempfile::NamedTempFile,
    go: PathBuf,
    zig: PathBuf,
    rust: PathBuf,
}

impl Tools {
    pub fn at(go: &str) -> Tools {
        let files = tempfile::NamedTempFile::new().unwrap();
        fs::write(files.path(), distribution::files().join("\n") + "\n").unwrap();
        let context = test_env::context();
        let go = AnyGo::find(&context, None).unwrap().release(&context, go).unwrap().program;
        let zig = Zig::get(&context).unwrap().program;
        let rust = Command::new("rustc").args(["--print", "sysroot"]).output().unwrap();
        let rust = PathBuf::from(String::from_utf8(rust.stdout).unwrap().trim_end());
        let target = Target::named("riscv64").unwrap();
        let has_core = target.rust.iter().any(|triple| rust.join("lib/rustlib").join(triple).is_dir());
        assert!(has_core, "the Rust in {} has no core for riscv64: rustup target add", rust.display());
        let above = |path: &Path, levels: usize| path.ancestors().nth(levels).unwrap().to_owned();
        Tools { files, go: above(&go, 2), zig: above(&zig, 1), rust }
    }
}

/// Runs a script as the user `nobody` in a root of its own, in the directory `build`.
pub fn run(tools: &Tools, build: &Path, script: impl AsRef<OsStr>) -> Output {
    let root = tempfile::tempdir().unwrap();
    let mut command = Command::new("unshare");
    command.args(["--mount", "--net", "--pid", "--fork", "--kill-child", "sh", "-euc", ENTER, "enter"]);
    command.args([root.path(), tools.files.path(), &tools.go, &tools.zig, &tools.rust, build]).arg(script);
    command.output().unwrap()
}

/// Makes the user `nobody` the owner of a directory and of all in it.
pub fn hand_over(directory: &Path) {
    for entry in walkdir::WalkDir::new(directory) {
        let path = entry.unwrap().into_path();
        if !path.is_symlink() {
            chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }
    assert!(fs::metadata(directory).is_ok());
}
