//! Tests of the workflows with actionlint and zizmor, which must find more in worse workflows.

use crate::model::{self, Work};
use crate::needs;
use crate::test_env;
use std::path::PathBuf;
use xtask::context::Context;
use xtask::process::{Command, cmd};
use xtask::toolchain::{go_tool, lint};

type Linter = for<'a> fn(&'a Context, &[PathBuf]) -> anyhow::Result<Command<'a>>;

/// Begins actionlint on these files. It passes their `run` lines to the shellcheck on the search path.
fn by_actionlint<'a>(context: &'a Context, workflows: &[PathBuf]) -> anyhow::Result<Command<'a>> {
    let actionlint = go_tool::actionlint(context)?;
    Ok(cmd!(context, "{actionlint} -shellcheck=shellcheck -pyflakes= {workflows...}"))
}

/// Begins zizmor on these files, at its strictest and without asking GitHub.
fn by_zizmor<'a>(context: &'a Context, workflows: &[PathBuf]) -> anyhow::Result<Command<'a>> {
    let zizmor = lint::zizmor(context)?;
    let configuration = context.root.join(".github/zizmor.yml");
    let options = ["--offline", "--pedantic", "--no-progress", "--strict-collection", "--config"];
    Ok(cmd!(context, "{zizmor} {options...} {configuration} {workflows...}"))
}

/// Returns whether a linter reports no problem, and its output.
fn findings(linter: Linter, workflows: &[PathBuf]) -> (bool, String) {
    let context = test_env::context();
    let (status, stdout, stderr) = linter(&context, workflows).unwrap().capture().unwrap();
    (status.success(), format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)))
}

fn ours() -> Vec<PathBuf> {
    model::all().into_iter().map(|file| file.path).collect()
}

/// Writes the release workflow with one thing changed for the worse.
fn worse(from: &str, to: &str) -> (tempfile::TempDir, PathBuf) {
    let release = model::named("release.yml");
    assert!(release.text.contains(from), "{from}");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(".github/workflows/release.yml");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, release.text.replacen(from, to, 1)).unwrap();
    (directory, path)
}

#[test]
fn actionlint_finds_nothing() {
    let what = "what actionlint's shellcheck says of the workflows";
    if !needs::programs(what, &[("shellcheck", "shellcheck")]) {
        return;
    }
    assert_eq!(findings(by_actionlint, &ours()), (true, String::new()));
}

#[test]
fn actionlint_finds_invalid_workflows() {
    if !needs::programs("whether actionlint looks", &[("shellcheck", "shellcheck")]) {
        return;
    }
    for (from, to, said) in [
        ("needs: check", "needs: chekc", "needs job \"chekc\""),
        ("github.ref_name", "github.refname", "property \"refname\" is not defined"),
        ("--arch \"$ARCH\"", "--arch $ARCH", "SC2086"),
    ] {
        let (_directory, path) = worse(from, to);
        let (passes, text) = findings(by_actionlint, &[path]);
        assert!(!passes && text.contains(said), "{said}: {text}");
    }
}

#[test]
fn zizmor_finds_nothing() {
    let dependabot = test_env::context().root.join(".github/dependabot.yml");
    let files: Vec<PathBuf> = ours().into_iter().chain([dependabot]).collect();
    let (passes, text) = findings(by_zizmor, &files);
    assert!(passes && text.contains("No findings to report"), "{text}");
}

/// Returns the release workflow with a key, as .github/RELEASING.md describes it.
fn signing() -> String {
    let releasing = test_env::context().root.join(".github/RELEASING.md");
    let releasing = std::fs::read_to_string(releasing).unwrap();
    let (_, step) = releasing.split_once("```yaml\n").unwrap();
    let (step, _) = step.split_once("```\n").unwrap();
    let release = model::named("release.yml");
    let mut text = release.text.clone();
    for (job, name) in
        [("package", "Package, and make the directory to publish"), ("check", "Add the results")]
    {
        let job = &release.workflow.jobs[job];
        let line = job.steps.iter().find(|step| step.name == name).unwrap();
        let Work::Run(line) = line.work() else { panic!("{name} runs a line") };
        for (from, to) in [
            (
                format!("    name: {}\n", job.name),
                format!("    name: {}\n    environment: release\n", job.name),
            ),
            (format!("      - name: {name}\n"), format!("{step}      - name: {name}\n")),
            (format!("{line}\n"), format!("{line} --sign k3s-riscv64\n")),
        ] {
            assert_eq!(text.matches(&from).count(), 1, "{from}");
            text = text.replace(&from, &to);
        }
    }
    text
}

#[test]
fn linters_find_nothing_in_a_workflow_that_signs() {
    if !needs::programs("a workflow that signs", &[("shellcheck", "shellcheck")]) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(".github/workflows/release.yml");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, signing()).unwrap();
    for linter in [by_actionlint as Linter, by_zizmor] {
        let (passes, text) = findings(linter, std::slice::from_ref(&path));
        assert!(passes, "{text}");
    }
}

#[test]
fn zizmor_finds_what_could_be_abused() {
    for (from, to, audit) in [
        ("--arch \"$ARCH\"", "--arch ${{ github.event.head_commit.message }}", "template-injection"),
        ("        with:\n          persist-credentials: false\n", "", "artipacked"),
        ("@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1", "@v7", "unpinned-uses"),
        ("permissions: {}", "permissions: write-all", "excessive-permissions"),
    ] {
        let (_directory, path) = worse(from, to);
        let (passes, text) = findings(by_zizmor, &[path]);
        assert!(!passes && text.contains(&format!("[{audit}]")), "{audit}: {text}");
    }
}
