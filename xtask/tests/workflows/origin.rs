//! A repository on GitHub, as far as our workflows go: a bare one on this machine, and a stand-in for gh.

use std::path::Path;
use std::process::Command;
use xtask::images::upstream;

/// The repository and what gh was asked to do.
pub struct Origin {
    directory: tempfile::TempDir,
}

impl Origin {
    /// Returns a repository with an empty lockfile and those of our files that the workflows read and write.
    pub fn new() -> Origin {
        let origin = Origin { directory: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap() };
        let files = origin.directory.path().join("files");
        let root = crate::test_env::context().root;
        xtask::dir::copy(&root.join(".github"), &files.join(".github")).unwrap();
        std::fs::create_dir(files.join("images")).unwrap();
        std::fs::copy(root.join(upstream::FILE), files.join(upstream::FILE)).unwrap();
        std::fs::write(files.join("k3s.lock.json"), "{}\n").unwrap();
        std::fs::write(files.join(".gitignore"), "/target/\n").unwrap();
        git(&files, &["init", "--quiet"]);
        git(&files, &["add", "--all"]);
        git(
            &files,
            &["-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "--quiet", "-m", "First"],
        );
        git(origin.directory.path(), &["clone", "--quiet", "--bare", "files", "origin"]);
        origin
    }

    /// Checks the repository out into an empty directory.
    pub fn check_out(&self, directory: &Path) {
        let origin = self.directory.path().join("origin");
        git(directory, &["clone", "--quiet", origin.to_str().unwrap(), "."]);
    }

    /// Returns a file of a branch, `watch:k3s.lock.json`, or a commit.
    pub fn show(&self, name: &str) -> String {
        git(&self.directory.path().join("origin"), &["show", name])
    }

    /// Returns whether there is a branch.
    pub fn has(&self, branch: &str) -> bool {
        !git(&self.directory.path().join("origin"), &["branch", "--list", branch]).is_empty()
    }

    /// Returns a gh that records each call with the file it is given, and that finds what `open` prints.
    pub fn gh(&self, open: &str) -> String {
        let log = self.directory.path().join("gh.log");
        format!(
            "case \"$*\" in *' list '*) echo '{open}'; exit ;; esac\n\
             exec >>'{}'\necho \"$* \"\n\
             while [ $# -gt 0 ]; do [ \"$1\" != --body-file ] || cat \"$2\"; shift; done",
            log.display()
        )
    }

    /// Returns what gh was given.
    pub fn sent_to_gh(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("gh.log")).unwrap_or_default()
    }
}

/// Runs git with its settings alone, and returns its output.
fn git(directory: &Path, arguments: &[&str]) -> String {
    let mut git = Command::new("git");
    git.args(arguments)
        .current_dir(directory)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1");
    let output = git.output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
