//! Tests of fetched repositories with parallel builds, killed ones, settings of the user's and a lost network.

use super::test_env::{TestEnv, succeeded};
use super::upstream::{TAG, Upstream, printed};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

/// Waits until a command has reached a point that it marks by a file.
#[track_caller]
fn wait_for(reached: &Path, command: &mut Child) {
    while !reached.exists() {
        if let Some(status) = command.try_wait().unwrap() {
            panic!("the command ended before it reached the point: {status}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Returns all files and directories of the repository cache with this suffix.
fn cached(env: &TestEnv, ending: &str) -> Vec<PathBuf> {
    let entries = walkdir::WalkDir::new(env.path("cache/git")).into_iter().filter_map(Result::ok);
    entries
        .map(walkdir::DirEntry::into_path)
        .filter(|path| path.to_string_lossy().ends_with(ending))
        .collect()
}

#[test]
fn repository_appears_complete_and_is_fetched_once() {
    let upstream = Upstream::new();
    let mut env = upstream.test_env();
    let (reached, go_on, fetches) = (env.path("reached"), env.path("go-on"), env.path("fetches"));
    let script = format!(
        "case \" $* \" in *' fetch '*) echo >>'{}'; touch '{}'; while [ ! -e '{}' ]; do sleep 0.05; done ;; esac
        exec '{}' \"$@\"",
        fetches.display(),
        reached.display(),
        go_on.display(),
        xtask::process::find("git").unwrap().display()
    );
    env.put_program("git", &script);
    let start = || {
        let mut command = env.xtask(["images", "--k3s", TAG]);
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let mut first = start();
    wait_for(&reached, &mut first);
    assert_eq!(cached(&env, ".git"), Vec::<PathBuf>::new(), "a repository is seen before it is complete");
    let mut second = start();
    let mut messages = BufReader::new(second.stderr.take().unwrap());
    let mut output = String::new();
    while !output.contains(&format!("waiting for process {}", first.id())) {
        assert!(messages.read_line(&mut output).unwrap() > 0, "the second command did not wait:\n{output}");
    }
    std::fs::write(&go_on, "").unwrap();
    messages.read_to_string(&mut output).unwrap();
    assert!(second.wait().unwrap().success(), "{output}");
    succeeded(first.wait_with_output().unwrap());
    assert_eq!(std::fs::read_to_string(fetches).unwrap().lines().count(), 1);
}

#[test]
fn fetches_again_after_kill() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGKILL] {
        let upstream = Upstream::new();
        let url = format!("file://{}", upstream.directory.path().join("k3s").display());
        let mut env = upstream.test_env();
        let reached = env.path("reached");
        // The server sends the beginning of a pack and nothing more.
        env.put_program(
            "half-a-pack",
            &format!("\"$@\" | head -c 100; touch '{}'; exec sleep 1000", reached.display()),
        );
        let images = ["images", "--source", &url];
        let mut command = env.under(["env", "--default-signal"], images);
        // Settings in the environment are not passed on to the server's side.
        let settings = env.path("settings");
        let hook = env.program("half-a-pack");
        std::fs::write(&settings, format!("[uploadpack]\n packObjectsHook = \"{}\"", hook.display()))
            .unwrap();
        command.env("GIT_CONFIG_GLOBAL", settings);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_for(&reached, &mut child);
        assert_eq!(cached(&env, "/shallow.lock").len(), 1, "{signal}: git has no lock file");
        kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
        assert!(!child.wait().unwrap().success());
        printed(&env, &images);
    }
}

#[test]
fn leftovers_and_broken_repositories_are_replaced() {
    let upstream = Upstream::new();
    let env = upstream.test_env();
    printed(&env, &["images", "--k3s", TAG]);
    let [repository] = cached(&env, ".git").try_into().unwrap();
    let leftover = repository.parent().unwrap().join("fetching-killed");
    std::fs::create_dir(&leftover).unwrap();
    for half_made in [repository.join("objects"), repository.join("HEAD")] {
        let _ = std::fs::remove_dir_all(&half_made);
        let _ = std::fs::remove_file(&half_made);
        printed(&env, &["images", "--k3s", TAG]);
        assert!(half_made.exists(), "{}", half_made.display());
    }
    assert!(!leftover.exists());
}

#[test]
fn offline_finds_commits_and_names_of_urls() {
    let upstream = Upstream::new();
    let env = upstream.test_env();
    let url = format!("{}/k3s/.git", upstream.server.url);
    let commit = upstream.commit("HEAD");
    let images = |network: &[&'static str], name: &str| {
        let arguments = ["images", "--source", &url, "--ref", name].map(str::to_owned);
        env.xtask(network.iter().map(|&word| word.to_owned()).chain(arguments)).output().unwrap()
    };
    succeeded(images(&[], TAG));
    let requests = upstream.server.requests().len();
    for name in [TAG, &commit, &commit.to_uppercase(), &commit[..9]] {
        succeeded(images(&["--offline"], name));
    }
    // A full commit id always means the same commit.
    succeeded(images(&[], &commit));
    for name in ["HEAD", "main", &"0".repeat(40), "0000000"] {
        let message = super::test_env::failed(&images(&["--offline"], name));
        assert!(message.contains(&format!("{name} of {url} is not in the cache")), "{message}");
    }
    assert_eq!(upstream.server.requests().len(), requests);
}

#[test]
fn short_commit_id_is_looked_up_or_explained() {
    let upstream = Upstream::new();
    let env = upstream.test_env();
    let url = format!("{}/k3s/.git", upstream.server.url);
    let short = &upstream.commit("HEAD")[..9];
    let message = env.fails(["images", "--source", &url, "--ref", short]);
    assert!(message.contains(&format!("{url} has no branch or tag {short}")), "{message}");
    assert!(message.contains("only complete commit ids (40 hexadecimal digits)"), "{message}");
    printed(&env, &["images", "--source", &url]);
    printed(&env, &["images", "--source", &url, "--ref", short]);
    let message = env.fails(["images", "--source", &url, "--ref", "elsewhere"]);
    assert!(message.contains("has no branch or tag elsewhere") && !message.contains("whole"), "{message}");
}

/// Returns the commit of the sample, whose repositories are written when it is prepared.
fn sample_commit(env: &TestEnv) -> git2::Oid {
    env.succeeds(["images", "--sample"]);
    let entries = walkdir::WalkDir::new(env.work().join("sample")).into_iter().filter_map(Result::ok);
    let k3s = entries.map(walkdir::DirEntry::into_path).find(|path| path.ends_with("k3s/.git")).unwrap();
    git2::Repository::open(k3s).unwrap().head().unwrap().peel_to_commit().unwrap().id()
}

#[test]
fn git_settings_of_the_user_change_nothing() {
    let upstream = Upstream::new();
    // Allowed so that a filter of the user's would have an effect.
    upstream.repository().config().unwrap().set_bool("uploadpack.allowFilter", true).unwrap();
    let mut env = upstream.test_env();
    let url = format!("{}/k3s/.git", upstream.server.url);
    let images = ["images", "--source", &url];
    let expected = env.succeeds(images);
    let sample = sample_commit(&env);

    let ran = env.path("ran");
    let hook = format!("touch '{}'; exit 1", ran.display());
    for name in ["reference-transaction", "fsmonitor"] {
        env.put_program(name, &hook);
    }
    let template = env.path("template");
    std::fs::create_dir_all(template.join("hooks")).unwrap();
    let fsmonitor = env.program("fsmonitor");
    let hooks = fsmonitor.parent().unwrap();
    std::fs::copy(&fsmonitor, template.join("hooks/reference-transaction")).unwrap();
    let home = env.path("home");
    std::fs::create_dir(&home).unwrap();
    let settings = include_str!("../support/gitconfig")
        .replace("HOOKS", hooks.to_str().unwrap())
        .replace("TEMPLATE", template.to_str().unwrap())
        .replace("URL", &url);
    std::fs::write(home.join(".gitconfig"), settings).unwrap();
    env.set("GIT_CONFIG_GLOBAL", home.join(".gitconfig"));
    env.set("HOME", home);
    for (name, value) in [
        ("GIT_DIR", "/nowhere"),
        ("GIT_OBJECT_DIRECTORY", "/nowhere"),
        ("GIT_DEFAULT_HASH", "sha256"),
        ("GIT_QUARANTINE_PATH", "/nowhere"),
    ] {
        env.set(name, value);
    }
    std::fs::remove_dir_all(env.path("cache")).unwrap();
    std::fs::remove_dir_all(env.path("target")).unwrap();
    assert_eq!(env.succeeds(images), expected);
    assert_eq!(sample_commit(&env), sample);
    assert!(!ran.exists(), "a program of the user's was run");
    assert_eq!(cached(&env, "/reference-transaction"), Vec::<PathBuf>::new(), "the user's template was used");
}
