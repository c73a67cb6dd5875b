//! Examples of builds and boots, as input of reports.

use std::collections::BTreeMap;
use xtask::boot::guest::About;
use xtask::boot::results::Results;
use xtask::boot::scenario::Scenario;
use xtask::boot::watch::{Failure, Outcome, Reached};
use xtask::digest::Digest;
use xtask::k3s::Optional;
use xtask::patch::Applied;
use xtask::product::check::{Check, CheckResult};
use xtask::product::component::Component;
use xtask::product::manifest::{FileEntry, Manifest, PatchEntry};
use xtask::product::report::Report;
use xtask::product::report::terminal::{Machine, Summary};
use xtask::step::Timing;
use xtask::upstream::release::Origin;

/// Input of a report.
#[derive(Clone, Debug)]
pub struct Example {
    pub manifest: Manifest,
    pub location: String,
    pub applied: Vec<Applied>,
    pub timings: Vec<Timing>,
}

impl Example {
    pub fn html(&self) -> String {
        let Example { manifest, location, applied, timings } = self;
        Report { manifest, location, applied, timings }.page().html()
    }

    /// Returns the summary with colours.
    pub fn coloured_summary(&self, machine: Machine) -> String {
        let directory = format!("target/dist/{}/{}", self.manifest.k3s, self.manifest.arch);
        Summary { manifest: &self.manifest, directory: &directory, machine, default_k3s: "v1.35.0+k3s1" }
            .to_string()
    }

    pub fn summary(&self, machine: Machine) -> String {
        anstream::adapter::strip_str(&self.coloured_summary(machine)).to_string()
    }
}

const DIFF: &str = r#"diff --git a/pkg/cli/cmds/const_linux.go b/pkg/cli/cmds/const_linux.go
--- a/pkg/cli/cmds/const_linux.go
+++ b/pkg/cli/cmds/const_linux.go
@@ -4,5 +4,5 @@ package cmds
 
 const (
-	DefaultPauseImage  = "rancher/mirrored-pause:3.6"
+	DefaultPauseImage  = "carvicsforth/pause:v3.10-v1.31.1"
 	DefaultSnapshotter = "overlayfs"
 )
diff --git a/pkg/agent/containerd/k3s-builtin-pause.tar b/pkg/agent/containerd/k3s-builtin-pause.tar
new file mode 100644
Binary files /dev/null and b/pkg/agent/containerd/k3s-builtin-pause.tar differ
"#;

/// A complete file that a patch adds.
const ADDED_FILE: &str = include_str!("../../../patches/builtin-images/builtin_images.go");

/// Returns a complete release with all checks.
pub fn release() -> Example {
    let entry = |size| FileEntry { size, sha256: Digest::of(u64::to_string(&size)) };
    let files = |files: &[(&str, u64)]| -> BTreeMap<String, FileEntry> {
        files.iter().map(|(name, size)| ((*name).to_owned(), entry(*size))).collect()
    };
    let components = |components: &[(Component, u64)]| -> BTreeMap<Component, FileEntry> {
        components.iter().map(|(component, size)| (*component, entry(*size))).collect()
    };
    let texts = |texts: &[(&str, &str)]| -> BTreeMap<String, String> {
        texts.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    };
    let check = |what: &str, evidence: &str| Check {
        what: what.to_owned(),
        result: CheckResult::Passed(evidence.to_owned()),
    };
    let lines: String = ADDED_FILE.lines().map(|line| format!("+{line}\n")).collect();
    let path = "pkg/agent/containerd/builtin_images.go";
    let length = ADDED_FILE.lines().count();
    let added = format!(
        "diff --git a/{path} b/{path}\nnew file mode 100644\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1,{length} @@\n{lines}"
    );
    let applied = vec![Applied {
        name: "pause-image".into(),
        why: "Every pod's sandbox is held by the pause image, and upstream's has no riscv64 manifest.".into(),
        retire: Some("When the manifest list of upstream's own default names riscv64.".into()),
        layout: "the constant DefaultPauseImage (up to v1.32.1)".into(),
        files: vec!["pkg/cli/cmds/const_linux.go".into()],
        diff: format!("{DIFF}{added}"),
    }];
    let entry_of = |applied: &Applied| PatchEntry {
        name: applied.name.clone(),
        why: applied.why.clone(),
        files: applied.files.clone(),
        diff_sha256: Digest::of(&applied.diff),
    };
    let manifest = Manifest {
        k3s: "v1.33.0+k3s1".into(),
        commit: "dc03cb4b3f0f3ab1b5d5f5c2a1a1a1a1a1a1a1a1".into(),
        origin: Origin::Release,
        arch: "riscv64".into(),
        code: None,
        level: "rva20u64".into(),
        source_date_epoch: 1_745_000_000,
        modified: true,
        pause_image: "carvicsforth/pause:v3.10-v1.31.1".into(),
        builtin_pause: true,
        builtin_images: Vec::new(),
        releases: Some("https://host.example/me/k3s/releases".parse().unwrap()),
        incomplete: vec![],
        patches: applied.iter().map(entry_of).collect(),
        third_party: Default::default(),
        sources: texts(&[
            ("containerd", "github.com/k3s-io/containerd/v2 v2.0.4-k3s2"),
            ("runc", "github.com/opencontainers/runc v1.2.5"),
        ]),
        tools: texts(&[("go", "1.24.2"), ("zig", "0.17.1"), ("libseccomp", "2.6.0")]),
        components: components(&[
            (Component::Server, 152_435_888),
            (Component::Shim, 10_289_312),
            (Component::Runc, 12_713_984),
            (Component::Cni, 5_505_024),
            (Component::Pause, 1_152),
            (Component::PauseImage, 12_288),
            (Component::Bundle, 52_801_536),
            (Component::Binary, 64_028_672),
        ]),
        files: files(&[
            ("k3s-check", 34_816),
            ("k3s-riscv64", 64_028_672),
            ("pause", 1_152),
            ("pause-image-riscv64.tar", 12_288),
        ]),
        checks: vec![
            check(
                "server is a static riscv64 program that contains no path of this machine",
                "152435888 bytes",
            ),
            check("k3s-riscv64 runs and prints its version", "k3s version v1.33.0+k3s1; go version go1.24.2"),
        ],
    };
    Example { manifest, location: "https://github.com/k3s-io/k3s".into(), applied, timings: timings() }
}

fn timings() -> Vec<Timing> {
    let timing = |step, begin, end, kept| Timing { step, begin, end, kept };
    vec![
        timing("charts", 0.0, 0.01, true),
        timing("pause", 0.01, 0.21, false),
        timing("pause-image", 0.21, 0.24, false),
        timing("tree", 0.24, 1.1, false),
        timing("libseccomp", 0.0, 9.4, false),
        timing("runc", 9.41, 169.4, false),
        timing("shim", 169.41, 217.3, false),
        timing("root", 217.31, 217.35, false),
        timing("cni", 217.36, 226.9, false),
        timing("wrapper", 226.91, 399.0, false),
        timing("server", 1.11, 458.1, false),
        timing("bundle", 458.11, 513.0, false),
        timing("binary", 513.01, 536.2, false),
    ]
}

/// Returns a build that is hard to display: many steps, very long words and lines, and texts with markup.
pub fn hostile() -> Example {
    let word = "supercalifragilistic".repeat(30);
    let markup =
        "</code></pre></style></section><script src=\"https://evil.example/x.js\"></script><img src=x>";
    let mut example = release();
    example.location = format!("https://me:secret@host.example/{word}");
    example.timings = (0..40).map(step).collect();
    let line = format!("+{}{markup}{}\n", word, "x".repeat(2000));
    let lines: String = (0..300).map(|_| line.as_str()).collect();
    let diff =
        format!("diff --git a/{word} b/{word}\n--- a/{word}\n+++ b/{word}\n@@ -0,0 +1,300 @@\n{lines}");
    example.applied = ["one", "two"]
        .map(|name| Applied {
            name: format!("{name}-{word}"),
            why: format!("{word} {markup}"),
            retire: Some(word.clone()),
            layout: word.clone(),
            files: vec![word.clone()],
            diff: diff.clone(),
        })
        .into();
    let manifest = &mut example.manifest;
    manifest.origin = Origin::Tree;
    manifest.k3s = format!("v1.33.0+{word}");
    manifest.builtin_pause = false;
    manifest.pause_image = word.clone();
    manifest.incomplete = vec![Optional::K3sRoot, Optional::Charts];
    manifest.tools.insert(word.clone(), word.clone());
    let entry = FileEntry { size: 999_999_999_999, sha256: Digest::of("") };
    manifest.components.insert(Component::Server, entry.clone());
    manifest.files.insert(word.clone(), entry);
    manifest
        .checks
        .push(Check { what: word.clone(), result: CheckResult::Passed(format!("{word}\u{1b}[31m{markup}")) });
    example
}

/// Returns one of many steps, of which two run in parallel at any time.
fn step(number: u32) -> Timing {
    let name = if number == 7 { "a-step-with-a-very-long-name".repeat(4) } else { format!("step-{number}") };
    let begin = f64::from(number / 2 * 200);
    let end = begin + if number.is_multiple_of(2) { 200.0 } else { 50.0 };
    Timing { step: name.leak(), begin, end, kept: number % 10 == 3 }
}

/// Returns a boot that ended with a failure, whose evidence has long lines and an escape sequence.
pub fn failed_boot() -> Results {
    let reached = |name, description, at| Reached { name, description, at };
    let memory = (0..200_u64).map(|at| (at as f64 * 4.0, 200_000 + at * at % 700 * 1_000)).collect();
    let journal = vec!["short".to_owned(), "long".repeat(2000), "\u{1b}[31m".to_owned()];
    let outcome = Outcome {
        reached: vec![
            reached("kernel", "the kernel runs", 4.1),
            reached("systemd", "systemd is process 1", 38.6),
            reached("k3s", "the binary runs as a server, with no package installed", 151.0),
            reached("node", "the node is Ready", 402.0),
        ],
        facts: vec![("pause-rss".to_owned(), "96 KiB".to_owned())],
        memory,
        memory_total: 2 << 20,
        failure: Some(Failure {
            milestone: "pod".to_owned(),
            description: "a pod is Running".to_owned(),
            reason: "not reached within 900 s".to_owned(),
            evidence: BTreeMap::from([("journal".to_owned(), journal)]),
        }),
    };
    let mut results = Results {
        k3s: "v1.33.0+k3s1".to_owned(),
        guest: About {
            distribution: "Debian trixie".to_owned(),
            kernel: "6.12.48+deb13-riscv64".to_owned(),
            packages: vec!["systemd_257.8-1_riscv64.deb".to_owned()],
        },
        memory: 2048,
        cpus: 2,
        derived: BTreeMap::new(),
        scenarios: Vec::new(),
        not_run: vec!["bundled"],
    };
    let files = BTreeMap::from([("k3s-riscv64".to_owned(), Digest::of("k3s"))]);
    results.add(Scenario::Alone, files, outcome);
    results
}

/// Makes a check one that could not run.
pub fn not_run(check: &mut Check) {
    let reason = "qemu-riscv64 was not found".to_owned();
    *check = Check { what: "the programs run".to_owned(), result: CheckResult::NotRun(reason) };
}
