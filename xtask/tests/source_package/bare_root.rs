//! A root file system with this machine's distribution, three compilers, a directory to build in, and nothing
//! more.

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

/// Script that builds the root at `$1` with the tools `$2`, `$3`, `$4` and the directory `$5`, and runs a script
/// there as the user `nobody`. Files in `/usr/local` do not belong to the distribution.
const ENTER: &str = r#"
root=$1 go=$2 zig=$3 rust=$4 build=$5 script=$6
mount -t tmpfs none "$root"
cd "$root"
for directory in usr etc; do
    mkdir "$directory"
    mount --rbind -o ro "/$directory" "$directory"
done
mount -t tmpfs none usr/local
for directory in bin sbin lib lib32 lib64 libx32; do
    if [ -L "/$directory" ]; then
        ln -s "$(readlink "/$directory")" "$directory"
    elif [ -d "/$directory" ]; then
        mkdir "$directory"
        mount --rbind -o ro "/$directory" "$directory"
    fi
done
mkdir -p proc dev tmp build tools/go tools/zig tools/rust var/tmp
chmod 1777 tmp var/tmp
mount -t proc none proc
mount --rbind /dev dev
mount --rbind -o ro "$go" tools/go
mount --rbind -o ro "$zig" tools/zig
mount --rbind -o ro "$rust" tools/rust
mount --bind "$build" build
exec chroot --userspec=65534:65534 . /usr/bin/env -i HOME=/nonexistent LC_ALL=C.UTF-8 \
    PATH=/tools/go/bin:/tools/zig:/tools/rust/bin:/usr/sbin:/usr/bin:/sbin:/bin sh -ec "cd /build; $script"
"#;

/// Compilers, each at the version that the product was built with.
pub struct Tools {
    go: PathBuf,
    zig: PathBuf,
    rust: PathBuf,
}

impl Tools {
    pub fn at(go: &str) -> Tools {
        let context = test_env::context();
        let go = AnyGo::find(&context, None).unwrap().release(&context, go).unwrap().program;
        let zig = Zig::get(&context).unwrap().program;
        let rust = Command::new("rustc").args(["--print", "sysroot"]).output().unwrap();
        let rust = PathBuf::from(String::from_utf8(rust.stdout).unwrap().trim_end());
        let target = Target::named("riscv64").unwrap();
        let has_core = target.rust.iter().any(|triple| rust.join("lib/rustlib").join(triple).is_dir());
        assert!(has_core, "the Rust in {} has no core for riscv64: rustup target add", rust.display());
        let above = |path: &Path, levels: usize| path.ancestors().nth(levels).unwrap().to_owned();
        Tools { go: above(&go, 2), zig: above(&zig, 1), rust }
    }
}

/// Runs a script as the user `nobody` in a root of its own, in the directory `build`.
pub fn run(tools: &Tools, build: &Path, script: impl AsRef<OsStr>) -> Output {
    let root = tempfile::tempdir().unwrap();
    let mut command = Command::new("unshare");
    command.args(["--mount", "--net", "--pid", "--fork", "--kill-child", "sh", "-euc", ENTER, "enter"]);
    command.args([root.path(), &tools.go, &tools.zig, &tools.rust, build]).arg(script);
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
