//! Runs every line of the workflows, on the sample and in their order. This test takes GitHub's part: it gives
//! each job an empty place, and carries artifacts from one to the other.

use crate::http::{self, Server};
use crate::model::{self, Job, Step, Words, Work, Workflow, expanded, text};
use crate::needs;
use crate::origin::Origin;
use crate::test_env::{self, TestEnv, failed, succeeded};
use crate::upstream::{TAG, Upstream};
use crate::ways::{LINES, Way};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use xtask::digest::Digest;
use xtask::product::manifest::Manifest;
use xtask::upstream::release::UPSTREAM;

/// Version of the sample.
const K3S: &str = "v0.35.0+k3s1.sample";

/// The file of a job's outputs.
const OUTPUT: &str = "github-output";

/// One run of a workflow: the values of its expressions, the artifacts so far, and the jobs that have failed.
struct Run {
    artifacts: tempfile::TempDir,
    cache: tempfile::TempDir,
    values: BTreeMap<String, String>,
    origin: Origin,
    upstream: Upstream,
    registry: Server,
    failed: BTreeSet<String>,
    ran: Vec<&'static str>,
}

#[test]
fn every_line_of_the_workflows_runs_on_the_sample() {
    let needed = [
        ("go", "golang-go"),
        ("rpmbuild", "rpm"),
        ("createrepo_c", "createrepo-c"),
        ("qemu-riscv64-static", "qemu-user-static"),
        ("qemu-system-riscv64", "qemu-system-misc"),
    ];
    if !needs::programs("the lines of the workflows", &needed) {
        return;
    }
    let mut ran = Vec::new();
    for file in model::all() {
        let values = [
            ("inputs.tag || github.ref_name", K3S),
            ("env.K3S", K3S),
            ("github.token", "a token"),
            ("github.repository", "owner/name"),
            ("github.server_url", "https://github.com"),
            ("github.run_id", "42"),
        ];
        let values = values.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut run = Run::new(values.into());
        for (name, job) in file.workflow.in_order() {
            if !run.is_due(&file.workflow, job) {
                continue;
            }
            // The sample has one scenario.
            let runs = if name == "boot" { 1 } else { usize::MAX };
            for matrix in job.runs().into_iter().take(runs) {
                run.job(name, job, &file.workflow.env, matrix);
            }
        }
        let boots = run.artifacts.path().join("release/boot.json");
        assert_eq!(boots.is_file(), file.path.ends_with("release.yml"));
        if file.path.ends_with("watch.yml") {
            run.proposes_and_reports();
        }
        let product = run.artifacts.path().join("product-riscv64");
        if product.is_dir() {
            refuses_what_was_made_otherwise(&product);
        }
        ran.extend(run.ran);
    }
    for (line, _) in &LINES {
        assert!(ran.contains(line), "no workflow runs this any more: {line}");
    }
}

/// Checks that a complete product is not released beside sources that would give another one.
fn refuses_what_was_made_otherwise(product: &Path) {
    let test_env = TestEnv::new();
    let directory = test_env.path("product");
    xtask::dir::copy(product, &directory).unwrap();
    let file = directory.join("manifest.json");
    let before = Digest::of_file(&file).unwrap();
    let mut manifest = Manifest::read(&file).unwrap();
    manifest.tools.insert("go".to_owned(), "1.0.0".to_owned());
    let patch = manifest.patches.first_mut().expect("the sample is patched");
    patch.diff_sha256 = Digest::of("another diff");
    let wanted =
        [format!("patch {}: {}, not ", patch.name, patch.diff_sha256), "tool go: 1.0.0, not ".to_owned()];
    std::fs::write(&file, manifest.text().unwrap()).unwrap();
    let sums = std::fs::read_to_string(directory.join("SHA256SUMS")).unwrap();
    let sums = sums.replace(before.as_str(), Digest::of_file(&file).unwrap().as_str());
    std::fs::write(directory.join("SHA256SUMS"), sums).unwrap();

    let said = test_env.fails([
        &"release".into(),
        &"--preview".into(),
        &"--sample".into(),
        &"--product".into(),
        &directory,
    ]);
    for difference in wanted {
        assert!(
            said.contains(&format!("riscv64: it is another product than was selected: {difference}")),
            "{said}"
        );
    }
}

impl Run {
    fn new(values: BTreeMap<String, String>) -> Run {
        let directory = || tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let upstream = Upstream::new();
        let image = "rancher/mirrored-pause";
        upstream.change("v0.36.0+k3s1", "pkg/cli/cmds/agent.go", image, "rancher/another-pause");
        Run {
            artifacts: directory(),
            cache: directory(),
            values,
            origin: Origin::new(),
            upstream,
            registry: Server::start(|request, _| match request.target.as_str() {
                "/v2/" => http::whole(b"{}"),
                _ => http::status("404 Not Found"),
            }),
            failed: BTreeSet::new(),
            ran: Vec::new(),
        }
    }

    /// Returns whether a job's condition is met.
    fn is_due(&self, workflow: &Workflow, job: &Job) -> bool {
        match job.r#if.as_deref() {
            Some("${{ !cancelled() && needs.check.result == 'success' }}") => !self.failed.contains("check"),
            condition => {
                model::runs(condition, self.failed.iter().any(|failed| workflow.depends(job, failed)))
            }
        }
    }

    /// Checks what the lines have sent to GitHub, of which one release was taken over and one was not.
    fn proposes_and_reports(&self) {
        assert_eq!(self.failed, BTreeSet::from(["look".to_owned()]));
        let lock = self.origin.show("watch:k3s.lock.json");
        assert!(lock.contains(&self.upstream.commit(TAG)) && !lock.contains("v0.36.0"), "{lock}");
        assert!(self.origin.show("watch:images/upstream.json").contains("no-tag"));
        let sent = self.origin.sent_to_gh();
        let run = "https://github.com/owner/name/actions/runs/42";
        for part in [
            "pr create --head watch --title Follow upstream ",
            &format!("All tests have passed on this branch: {run}\n"),
            &format!("The patches apply to k3s {TAG}, locked at "),
            "issue create --title The weekly run has found something ",
            "    the patches do not apply to k3s v0.36.0+k3s1\n",
            "nearest is pkg/cli/cmds/agent.go:",
            &format!("The log of the run: {run}\n"),
        ] {
            assert!(sent.contains(part), "{part:?} is missing: {sent}");
        }
    }

    /// Runs a job in a place of its own.
    fn job(&mut self, name: &str, job: &Job, env: &Words, matrix: BTreeMap<String, String>) {
        let mut test_env = TestEnv::new();
        test_env.put_program("cargo", &cargo());
        let state = r#"{"isArchived": false, "viewerPermission": null, "release": null, "latestRelease": null, "releases": {"nodes": []}, "ref": null}"#;
        let api = format!("if [ \"$1\" = api ]; then echo '{state}'; exit; fi");
        let gh = match name {
            "propose" | "report" => self.origin.gh(""),
            _ => format!("{api}\necho this test has been published >&2; exit 1"),
        };
        test_env.put_program("gh", &gh);
        if name == "look" {
            // Of the cache of all tests it gets the tools, and no tag of upstream's stand-in goes there.
            let tools = self.cache.path().join("toolchain");
            std::os::unix::fs::symlink(test_env::cache().join("toolchain"), tools).unwrap();
            test_env.set("K3S_XTASK_CACHE", self.cache.path());
            test_env.set("REGISTRY", self.registry.url.trim_start_matches("http://"));
            self.upstream.lead(&mut test_env, &[(UPSTREAM, "k3s")]);
        }
        let mut values = self.values.clone();
        values.extend(matrix);
        let mut failed = false;
        for step in &job.steps {
            if !model::runs(step.r#if.as_deref(), failed) {
                continue;
            }
            let env: BTreeMap<String, String> = [env, &job.env, &step.env]
                .into_iter()
                .flatten()
                .map(|(name, value)| (name.clone(), expanded(&text(value), &values)))
                .collect();
            failed |= !self.step(&test_env, step, &values, &env);
            values.extend(outputs(&test_env, step));
        }
        if failed {
            self.failed.insert(name.to_owned());
        }
        let outputs = job
            .outputs
            .iter()
            .map(|(key, value)| (format!("needs.{name}.outputs.{key}"), expanded(value, &values)));
        self.values.extend(outputs);
    }

    /// Runs a step, and returns whether it has succeeded.
    fn step(
        &mut self,
        test_env: &TestEnv,
        step: &Step,
        values: &BTreeMap<String, String>,
        env: &BTreeMap<String, String>,
    ) -> bool {
        match step.work() {
            Work::Run(line) => return self.line(test_env, line, env),
            Work::Uses { action, with } => {
                let with: BTreeMap<&str, String> = with
                    .iter()
                    .filter(|(name, _)| *name != "key")
                    .map(|(name, value)| (name.as_str(), expanded(&text(value), values)))
                    .collect();
                match action.split('@').next().unwrap() {
                    // Cargo has the sources that this test was compiled from.
                    "actions/checkout" => self.origin.check_out(&test_env.path("")),
                    // The cache is that of all tests.
                    "actions/cache" => {}
                    "actions/upload-artifact" => self.upload(test_env, &with),
                    "actions/download-artifact" => self.download(test_env, &with),
                    "actions/attest" => attest(test_env, &with),
                    other => panic!("unknown action {other}"),
                }
            }
        }
        true
    }

    /// Runs a line, and returns whether it has succeeded or would with k3s.
    fn line(&mut self, test_env: &TestEnv, line: &str, env: &BTreeMap<String, String>) -> bool {
        let known = LINES.iter().find(|(known, _)| *known == line);
        let (known, way) = known.unwrap_or_else(|| panic!("unknown command: {line}"));
        self.ran.push(known);
        let line = match way {
            Way::Itself | Way::Refused(_) => line,
            Way::Instead(other) | Way::Fails(other, _) => other,
            Way::Not(reason) => {
                println!("not run, since {reason}: {line}");
                return true;
            }
        };
        let output = shell(test_env, line, env).output().unwrap();
        match way {
            Way::Refused(words) | Way::Fails(_, words) => {
                let said = failed(&output);
                assert!(said.contains(words), "{line}: {said}");
                assert!(!said.contains("this test has been published"), "{said}");
            }
            _ => drop(succeeded(output)),
        }
        !matches!(way, Way::Fails(..))
    }

    /// Makes an artifact of files below a directory of the job's.
    fn upload(&self, test_env: &TestEnv, with: &BTreeMap<&str, String>) {
        // The sample has no release but a preview, which replaces the release here.
        let release = format!("target/dist/{K3S}/release");
        let path = if with["path"] == release {
            assert!(!test_env.path(release).exists(), "the sample has become a release");
            format!("target/dist/{K3S}/preview")
        } else {
            with["path"].clone()
        };
        let from = test_env.path(&path);
        assert!(from.is_dir(), "{path} is not there to be handed on");
        carry(&from, &self.artifacts.path().join(&with["name"]));
    }

    /// Downloads one artifact as it is, several each below its name (actions/download-artifact, README.md).
    fn download(&self, test_env: &TestEnv, with: &BTreeMap<&str, String>) {
        let to = test_env.path(&with["path"]);
        if let Some(name) = with.get("name") {
            carry(&self.artifacts.path().join(name), &to);
            return;
        }
        let prefix = with["pattern"].strip_suffix('*').expect("a pattern of another form is not known here");
        for entry in std::fs::read_dir(self.artifacts.path()).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.starts_with(prefix) {
                carry(&self.artifacts.path().join(&name), &to.join(name));
            }
        }
    }
}

/// Checks that a file and its SBOM are there, or else that every file of the release is a subject of an attestation: the
/// action passes over what is missing.
fn attest(test_env: &TestEnv, with: &BTreeMap<&str, String>) {
    if let Some(sbom) = with.get("sbom-path") {
        for path in [sbom, &with["subject-path"]] {
            assert!(test_env.path(path).is_file(), "{path}");
        }
        return;
    }
    assert_eq!(with["subject-path"], "release/*");
    let files = xtask::release::assets::names(&test_env.path("release")).unwrap();
    assert!(
        ["k3s-riscv64", "k3s-arm64", "k3s", "boot.json", "SHA256SUMS"]
            .iter()
            .all(|name| files.contains(&(*name).to_owned())),
        "{files:?}"
    );
}

/// Returns the outputs of a step, under the names by which the job's expressions know them.
fn outputs(test_env: &TestEnv, step: &Step) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(test_env.path(OUTPUT)).unwrap_or_default();
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    let named = |id: &str, key| format!("steps.{id}.outputs.{key}");
    step.id
        .iter()
        .flat_map(|id| pairs.clone().map(|(key, value)| (named(id, key), value.to_owned())))
        .collect()
}

/// Returns a cargo that has already compiled this repository's executable, the one to be tested.
fn cargo() -> String {
    let (cargo, xtask) = (xtask::process::find("cargo").unwrap(), env!("CARGO_BIN_EXE_xtask"));
    format!(
        "case \"$*\" in\n\
         'build --locked --package xtask') mkdir -p target/debug; exec ln -s '{xtask}' target/debug/xtask ;;\n\
         'xtask '*) shift; exec '{xtask}' \"$@\" ;;\n\
         esac\nexec '{}' \"$@\"",
        cargo.display()
    )
}

/// Copies files as an artifact does: without their modes (actions/upload-artifact, README.md).
fn carry(from: &Path, to: &Path) {
    xtask::dir::copy(from, to).unwrap();
    xtask::dir::normalize(to, 0).unwrap();
}

/// Returns a line in the shell that GitHub runs it by where there is no bash. The executable's path after it is
/// the shell's `$0`.
fn shell(test_env: &TestEnv, line: &str, env: &BTreeMap<String, String>) -> Command {
    let mut command = test_env.under(["sh", "-e", "-c", line], [""; 0]);
    command.current_dir(test_env.path("")).env("GITHUB_WORKSPACE", test_env.path("")).envs(env);
    command.env("GITHUB_OUTPUT", test_env.path(OUTPUT));
    command
}
