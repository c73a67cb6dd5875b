//! Tests of a source tree's scripts as an attacker would write them. Each attack succeeds where the scripts are
//! trusted, so that its failure in the sandbox proves something.

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::stat::Mode;
use std::fs::OpenOptions;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;
use xtask::context::{Context, Network};
use xtask::dir;
use xtask::process::{Sandbox, cmd};
use xtask::toolchain::gomod::GoMod;
use xtask::upstream::commands::Commands;
use xtask::upstream::script_probe::{self, Answers, ScriptTrust};

fn context() -> Context {
    let mut context = Context::new(None, Network::Forbidden).unwrap();
    context.guard = env!("CARGO_BIN_EXE_xtask").into();
    context
}

/// The sample's scripts with an attacker's lines among them, beside files that they must not touch.
struct Tree {
    directory: tempfile::TempDir,
}

impl Tree {
    fn new(lines: &str) -> Tree {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let tree = directory.path().join("tree");
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sample/k3s");
        for layout in ["base", "embed"] {
            dir::copy(&sample.join(layout), &tree).unwrap();
        }
        let path = tree.join("scripts/version.sh");
        let script = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, script.replacen('\n', &format!("\n{lines}\n"), 1)).unwrap();
        Tree { directory }
    }

    fn root(&self) -> PathBuf {
        self.directory.path().join("tree")
    }

    /// Replaces a text in a file of the tree.
    fn change(&self, file: &str, from: &str, to: &str) {
        let path = self.root().join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file}: {from}");
        std::fs::write(path, text.replacen(from, to, 1)).unwrap();
    }

    fn run(&self, trust: ScriptTrust) -> anyhow::Result<Commands> {
        let gomod = GoMod::parse(&std::fs::read_to_string(self.root().join("go.mod"))?)?;
        let answers = Answers {
            goarch: "riscv64",
            version: "v0.35.0+k3s1",
            commit: "0123456789abcdef0123456789abcdef01234567",
            golang: "1.25.5",
            date: "2026-01-01T00:00:00Z",
        };
        script_probe::run(&context(), &self.root(), &gomod, &answers, trust)
    }
}

/// Runs the lines twice; `happened` must see their effect where they are trusted, and none in the sandbox.
#[track_caller]
fn only_trusted(lines: &str, happened: impl Fn(&anyhow::Result<Commands>) -> bool) {
    let tree = Tree::new(lines);
    let confined = tree.run(ScriptTrust::Sandboxed);
    assert!(!happened(&confined), "in the sandbox: {lines}\n{confined:?}");
    let trusted = tree.run(ScriptTrust::Trusted);
    assert!(happened(&trusted), "where it is trusted: {lines}\n{trusted:?}");
}

fn outside() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

#[test]
fn both_record_the_same() {
    let tree = Tree::new("");
    let (confined, trusted) =
        (tree.run(ScriptTrust::Sandboxed).unwrap(), tree.run(ScriptTrust::Trusted).unwrap());
    assert_eq!(confined, trusted);
    assert_eq!(confined.builds.len(), 4);
}

/// The checksums of k3s-root v0.15.3 in upstream's tree (k3s-io/k3s, scripts/version.sh of v1.37).
const ROOT: &str = r#"VERSION_ROOT="v0.15.3"
case ${ARCH} in
    arm64) K3S_ROOT_SHA256=efa73b8716c12f496ad7b1729987b22b6da80d87914ac404d0e59d2d85f76ccd ;;
    riscv64) K3S_ROOT_SHA256=3aa8afbba73f8e6d935901926def2c1516dc9620640e9007008dbb2897574a58 ;;
    *) exit 1 ;;
esac"#;
/// Its download, which is verified.
const FETCH_ROOT: &str = r#"K3S_ROOT_TAR="k3s-root-${ARCH}.tar"
curl --compressed -sfL https://github.com/k3s-io/k3s-root/releases/download/${VERSION_ROOT}/${K3S_ROOT_TAR} -o ${K3S_ROOT_TAR}
echo "${K3S_ROOT_SHA256}  ${K3S_ROOT_TAR}" | sha256sum -c
tar xf "${K3S_ROOT_TAR}"
rm -f "${K3S_ROOT_TAR}" sha256sum-${ARCH}.txt"#;

/// The differences of v1.37: a third chart, another k3s-root, modules that are required and not replaced, and modules that
/// are listed with `-mod=readonly`.
#[test]
fn reads_the_layout_of_v1_37() {
    let tree = Tree::new("");
    tree.change("scripts/version.sh", "VERSION_ROOT=\"v0.15.0-sample\"", ROOT);
    let script = std::fs::read_to_string(tree.root().join("scripts/download")).unwrap();
    let fetch = script.lines().find(|line| line.starts_with("curl --compressed")).unwrap();
    tree.change("scripts/download", fetch, FETCH_ROOT);
    tree.change(
        "manifests/gateway-api-crd.yaml",
        "gateway-api-crd-0.35.0+up0.35.0",
        "gateway-api-crd-1.6.103",
    );
    tree.change(
        "manifests/gateway-api-crd.yaml",
        "spec:\n",
        "spec:\n  forceConflicts: true\n  takeOwnership: true\n",
    );
    let runc = "github.com/opencontainers/runc";
    tree.change("go.mod", &format!("\t{runc} => {runc} v1.4.0-sample\n"), "");
    tree.change("go.mod", "require (\n", &format!("require (\n\t{runc} v1.4.2\n"));
    let version = std::fs::read_to_string(tree.root().join("scripts/version.sh")).unwrap();
    assert!(version.contains("go list -mod=readonly -m "), "{version}");

    let commands = tree.run(ScriptTrust::Sandboxed).unwrap();
    assert!(commands.root_sha256.as_deref().is_some_and(|sum| sum.starts_with("3aa8afbba7")), "{commands:?}");
    let root = "https://github.com/k3s-io/k3s-root/releases/download/v0.15.3/k3s-root-riscv64.tar";
    assert_eq!(commands.fetch("k3s-root-").collect::<Vec<_>>(), [root]);
    let charts = "https://k3s.io/k3s-charts/assets";
    let third = format!("{charts}/gateway-api-crd/gateway-api-crd-1.6.103.tgz");
    assert_eq!(commands.fetch("gateway-api-crd").collect::<Vec<_>>(), [third]);
    assert_eq!(commands.fetch("traefik").count(), 2);
    assert_eq!(commands.clone("runc").map(|clone| clone.tag.as_str()), Some("v1.4.2"));
}

#[test]
fn writes_nothing_outside() {
    let outside = outside();
    let file = outside.path().join("file");
    let written = |_: &_| std::fs::remove_file(&file).is_ok();
    only_trusted(&format!("echo text 2>/dev/null >{} || true", file.display()), written);
    only_trusted(&format!("touch=/bin/touch; $touch {} || true", file.display()), written);
}

#[test]
fn removes_and_changes_nothing_outside() {
    let outside = outside();
    let file = outside.path().join("file");
    let whole = || std::fs::write(&file, "text").unwrap();
    whole();
    let emptied = |_: &_| std::fs::read_to_string(&file).unwrap().is_empty();
    only_trusted(&format!(": >{} || true", file.display()), emptied);
    whole();
    let removed = |_: &_| !file.exists();
    only_trusted(&format!("rm=/bin/rm; $rm {} || true", file.display()), removed);
}

/// An executable of the attacker's own runs in the sandbox, through the loader, and has no more rights there.
#[test]
fn changes_no_modes_outside() {
    let outside = outside();
    let file = outside.path().join("file");
    std::fs::write(&file, "text").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let tree = Tree::new(&format!(
        "for loader in /lib64/ld-* /lib/ld-*; do \"$loader\" scripts/own 666 {} || true; done",
        file.display()
    ));
    std::fs::copy("/bin/chmod", tree.root().join("scripts/own")).unwrap();
    let mode = || std::fs::metadata(&file).unwrap().permissions().mode() & 0o777;
    tree.run(ScriptTrust::Sandboxed).unwrap();
    assert_eq!(mode(), 0o600);
    drop(tree.run(ScriptTrust::Trusted));
    assert_eq!(mode(), 0o666);
}

/// A script writes to the file that records the next script.
#[test]
fn changes_nothing_of_the_recorder() {
    let forged = |recipe: &anyhow::Result<Commands>| format!("{recipe:?}").contains("forged");
    only_trusted("echo RECORDER_DATE=forged 2>/dev/null >>\"$RECORDER\" || true", forged);
}

#[test]
fn fills_no_disk() {
    let larger_than_allowed = "printf '%17000000s' x >\"$TMPDIR/large\"";
    only_trusted(larger_than_allowed, |recipe| recipe.is_ok());
}

#[test]
fn reads_nothing_outside() {
    let outside = outside();
    let file = outside.path().join("secret");
    std::fs::write(&file, "a-secret").unwrap();
    let message = |recipe: &anyhow::Result<Commands>| format!("{recipe:?}").contains("a-secret");
    only_trusted(&format!("ln -s \"$(cat {} || true)\" bin/x", file.display()), message);
}

#[test]
fn reaches_no_network() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    tcp.set_nonblocking(true).unwrap();
    let port = tcp.local_addr().unwrap().port();
    only_trusted(&format!("(: 3<>/dev/tcp/127.0.0.1/{port}) || true"), |_| tcp.accept().is_ok());
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.set_nonblocking(true).unwrap();
    let port = udp.local_addr().unwrap().port();
    let received = |_: &_| udp.recv(&mut [0; 16]).is_ok();
    only_trusted(&format!("(echo text >/dev/udp/127.0.0.1/{port}) || true"), received);
}

#[test]
fn signals_no_other_process() {
    let mut other: Child = Command::new("sleep").arg("600").spawn().unwrap();
    let tree = Tree::new(&format!("kill -KILL {} || true", other.id()));
    tree.run(ScriptTrust::Sandboxed).unwrap();
    assert!(other.try_wait().unwrap().is_none(), "it was ended from inside of the sandbox");
    tree.run(ScriptTrust::Trusted).unwrap();
    assert!(!other.wait().unwrap().success());
}

/// A script that starts a process in a group of its own (`set -m`) and ends, or never ends, leaves nothing.
#[test]
fn leaves_no_process() {
    let context = context();
    let outside = outside();
    let pipe = outside.path().join("pipe");
    for (script, timeout, ends) in [
        ("set -m; (while :; do :; done) & exit 0", Duration::from_secs(600), true),
        ("set -m; (while :; do :; done) & while :; do :; done", Duration::from_millis(300), false),
    ] {
        nix::unistd::mkfifo(&pipe, Mode::S_IRWXU).unwrap();
        let reader =
            OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(&pipe).unwrap();
        let script = format!("exec 9>{}; {script}", pipe.display());
        let sandbox = Sandbox {
            execute: ["/usr", "/lib", "/lib64", "/bin", "/nix/store"].map(PathBuf::from).into(),
            write: vec![outside.path().to_owned()],
            ..Sandbox::default()
        };
        let program = cmd!(&context, "bash -c {script}").sandboxed(sandbox);
        let result = program.run_within(timeout);
        // The pipe ends when no process has the other end any more.
        fcntl(&reader, FcntlArg::F_SETFL(OFlag::empty())).unwrap();
        std::io::read_to_string(reader).unwrap();
        match ends {
            true => result.unwrap(),
            false => assert!(format!("{:#}", result.unwrap_err()).contains("still running after 0 s")),
        }
        std::fs::remove_file(&pipe).unwrap();
    }
}

#[test]
fn refuses_scripts_that_are_a_link() {
    let tree = Tree::new("");
    let scripts = tree.root().join("scripts");
    std::fs::rename(&scripts, tree.directory.path().join("elsewhere")).unwrap();
    std::os::unix::fs::symlink(tree.directory.path().join("elsewhere"), &scripts).unwrap();
    let error = tree.run(ScriptTrust::Sandboxed).unwrap_err().to_string();
    assert!(error.contains("scripts is not a directory"), "{error}");
}

/// Calls that the stubs cannot see through, or see under another name.
#[test]
fn refuses_what_it_cannot_follow() {
    for (line, why) in [
        ("cp tools/new bin/new-tool", "scripts/version.sh:2: `cp tools/new bin/new-tool`"),
        ("patch -p1 <scripts/build || true", "scripts/version.sh:2: `patch -p1`"),
        ("command go build ./x || true", "scripts/version.sh:2: `command go build ./x`"),
        ("(exec go build ./x) || true", "scripts/version.sh:2: `exec go build ./x`"),
        ("env go build ./x || true", "scripts/version.sh:2: `env go build ./x`"),
        ("bash -c 'mv a b' || true", "scripts/version.sh:2: `bash -c 'mv a b'`"),
        ("echo manifests/a | xargs rm || true", "scripts/version.sh:2: `xargs rm`"),
        ("export CGO_LDFLAGS=-s", "CGO_LDFLAGS=-s is not known for /recorder/bin/cni"),
        ("echo text >scripts/new", "it writes scripts/new"),
        ("echo '#' >>scripts/build", "it writes scripts/build"),
        ("awk 'BEGIN { print \"x\" >\"new\" }'", "it writes new"),
        ("/bin/cp scripts/build new", "/bin/cp: Permission denied"),
        ("cp() { :; }", "cp: readonly function"),
    ] {
        let error = Tree::new(line).run(ScriptTrust::Sandboxed).err().map(|error| format!("{error:#}"));
        assert!(error.as_ref().is_some_and(|error| error.contains(why)), "{line}: {error:?}");
    }
}
