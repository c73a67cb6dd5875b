//! Tests of builds that are interrupted: no process of them continues, and the next run succeeds.

use super::test_env::{TestEnv, failed};
use super::{fixtures, needs, wait};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Stdio};

/// Returns the processes that belong to a place by their command line, environment or working directory.
fn processes_of(env: &TestEnv) -> Vec<String> {
    let path = env.path("");
    let path = path.to_str().unwrap().trim_end_matches('/');
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let process = entry.path();
        let read = |name: &str| {
            String::from_utf8_lossy(&std::fs::read(process.join(name)).unwrap_or_default()).replace('\0', " ")
        };
        let directory = std::fs::read_link(process.join("cwd")).unwrap_or_default();
        let all = [read("cmdline"), read("environ"), directory.display().to_string()];
        // A process that has ended and is not yet reaped has neither.
        if entry.file_name().to_string_lossy().parse::<u32>().is_ok()
            && all.iter().any(|text| text.contains(path))
        {
            found.push(format!("{} {}", entry.file_name().display(), all[0]));
        }
    }
    found
}

/// A running build, which ends with the test at the latest.
struct Build(Child);

impl Build {
    /// Starts a build that ignores no signal: it would ignore SIGINT if a shell ran the tests in the background.
    fn start(env: &TestEnv, messages: Stdio) -> Build {
        let mut command = env.under(["env", "--default-signal"], ["build", "--sample"]);
        Build(command.stdout(Stdio::null()).stderr(messages).spawn().unwrap())
    }
}

impl Drop for Build {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Ends a build by a signal, and waits until no process of it is left.
fn end(env: &TestEnv, Build(build): &mut Build, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(build.id()).unwrap()), signal).unwrap();
    build.wait().unwrap();
    wait::until(|| processes_of(env).is_empty().then_some(()));
}

#[test]
fn no_child_outlives_a_build_however_it_is_ended() {
    let mut env = TestEnv::new();
    let rustc = xtask::process::find("rustc").unwrap();
    let reached = env.path("reached");
    // A compiler with a child process, which never returns.
    let stuck = format!("sleep 1000 & touch '{}'; sleep 1000", reached.display());
    env.put_program(
        "rustc",
        &format!(
            "case \"$*\" in *--crate-name=pause*) {stuck} ;; *) exec {} \"$@\" ;; esac",
            rustc.display()
        ),
    );
    for signal in [Signal::SIGKILL, Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let mut build = Build::start(&env, Stdio::null());
        wait::until(|| {
            assert_eq!(build.0.try_wait().unwrap(), None, "the build ended");
            reached.exists().then_some(())
        });
        let sleeping = processes_of(&env).iter().filter(|process| process.contains("sleep 1000")).count();
        assert!(sleeping >= 1, "{signal}: {:?}", processes_of(&env));
        end(&env, &mut build, signal);
        std::fs::remove_file(&reached).unwrap();
        assert!(!env.dist().exists(), "{signal}");
    }
}

#[test]
fn killed_after_every_step_gives_the_same_bytes() {
    let mut env = TestEnv::new();
    let elsewhere = env.path("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    env.set("TMPDIR", &elsewhere);
    let mut signals = [Signal::SIGKILL, Signal::SIGKILL, Signal::SIGINT].into_iter().cycle();
    let mut killed_after = Vec::new();
    let product = loop {
        let mut build = Build::start(&env, Stdio::piped());
        let lines = BufReader::new(build.0.stderr.take().unwrap()).lines().map(Result::unwrap);
        let step =
            |line: String| line.strip_prefix("✓ ").map(|rest| rest.split("  ").next().unwrap().to_owned());
        // The source is looked up again each time, and another test may hold a lock of the shared cache.
        let mut steps = lines.filter_map(step).filter(|step| step != "fetch source" && step != "waiting");
        match steps.next() {
            Some(step) => {
                assert!(!killed_after.contains(&step), "{step} was done already: {killed_after:?}");
                killed_after.push(step);
                end(&env, &mut build, signals.next().unwrap());
            }
            None => {
                assert!(build.0.wait().unwrap().success());
                break fixtures::build(&env, &[]);
            }
        }
    };
    assert!(killed_after.len() >= 10, "{killed_after:?}");
    let sums = fixtures::product("embed", "riscv64").sums();
    assert_eq!(product.sums(), sums);
    // The moment at which a product appears is too short to hit: the build is ended before it and after it.
    let version = env.dist().join(fixtures::LAYOUTS[0].1);
    for product_is_there in [false, true] {
        if !product_is_there {
            std::fs::remove_dir_all(version.join("riscv64")).unwrap();
        }
        for stale in [".riscv64.making", ".riscv64.old"] {
            std::fs::create_dir_all(version.join(stale)).unwrap();
            std::fs::write(version.join(stale).join("k3s-riscv64"), "half").unwrap();
        }
        assert_eq!(fixtures::build(&env, &[]).sums(), sums);
        let left = env.files().into_keys().filter(|name| !name.contains("/riscv64/"));
        assert_eq!(left.collect::<Vec<_>>(), [""; 0], "{product_is_there}");
    }
    let scratch = [elsewhere, env.path("target/scratch")];
    let left = scratch.iter().flat_map(|directory| std::fs::read_dir(directory).unwrap().flatten());
    let left = left.filter(|entry| entry.file_name() != "lock").map(|entry| entry.path());
    assert_eq!(left.collect::<Vec<_>>(), [""; 0].map(PathBuf::from), "scratch files of killed runs");
}

#[test]
fn full_disk_is_an_error_and_the_build_resumes() {
    if !needs::namespaces("builds on a full disk") {
        return;
    }
    let env = TestEnv::new();
    let message = env.path("message");
    std::fs::create_dir_all(&message).unwrap();
    std::fs::create_dir_all(env.path("target")).unwrap();
    let sizes = ["1m", "4m", "8m", "12m", "16m", "20m", "24m", "28m", "32m", "500m"];
    let script = "mount -t tmpfs -o size=1m tmpfs \"$CARGO_TARGET_DIR\" || exit 99
        for size in $SIZES; do
            mount -o remount,size=$size \"$CARGO_TARGET_DIR\" || exit 98
            \"$@\" >/dev/null 2>\"$MESSAGES/$size\" && break
            echo $? >\"$MESSAGES/$size.status\"
            find \"$CARGO_TARGET_DIR/dist\" -type f >\"$MESSAGES/$size.left\" 2>/dev/null
        done
        cp \"$CARGO_TARGET_DIR\"/dist/*/riscv64/SHA256SUMS \"$MESSAGES\"";
    let words = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"];
    let mut command = env.under(words, ["build", "--sample"]);
    let output = command.env("MESSAGES", &message).env("SIZES", sizes.join(" ")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read = |name: &str| std::fs::read_to_string(message.join(name)).unwrap_or_default();
    let failures: Vec<_> = sizes.iter().filter(|size| !read(&format!("{size}.status")).is_empty()).collect();
    assert!(failures.len() >= 4, "the sizes are too large: {failures:?}");
    for size in failures {
        let printed = read(size);
        assert_eq!(read(&format!("{size}.status")).trim(), "1", "{size}: {printed}");
        let errors = printed.lines().filter(|line| line.starts_with("error: ")).count();
        assert_eq!(errors, 1, "{size}: {printed}");
        // A linker is killed by a signal and says nothing of the disk.
        let is_named = printed.to_lowercase().contains("no space left on device");
        let is_of_linker = printed.contains("signal: ") && printed.contains("are free in");
        assert!(is_named || is_of_linker, "{size}: {printed}");
        assert_eq!(read(&format!("{size}.left")), "", "{size}");
    }
    assert_eq!(read("SHA256SUMS"), fixtures::product("embed", "riscv64").sums());
}

#[test]
fn a_directory_that_cannot_be_written_to_is_named() {
    let mut env = TestEnv::new();
    std::fs::write(env.path("file"), "").unwrap();
    env.set("CARGO_TARGET_DIR", env.path("file"));
    let output = env.xtask(["build", "--sample"]).output().unwrap();
    let message = failed(&output);
    assert!(message.contains(env.path("file").to_str().unwrap()), "{message}");
}
