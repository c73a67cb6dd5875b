//! Where k3s comes from: upstream's tags by smart HTTP, and trees of a person's own.

use super::git_server;
use super::http::Server;
use super::place::{self, Place, succeeded};
use super::shop::Product;
use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use xtask::upstream::release::UPSTREAM;

/// The tag whose version the sample's tree builds.
const TAG: &str = "v0.35.0+k3s1";

/// Upstream's repository, made of the sample.
struct Upstream {
    folder: tempfile::TempDir,
    server: Server,
}

impl Upstream {
    fn new() -> Upstream {
        let folder = tempfile::tempdir().unwrap();
        make_repository(&folder.path().join("k3s"), &["k3s/base", "k3s/embed"]);
        let upstream = Upstream { server: git_server::serve(folder.path()), folder };
        for tag in ["v0.34.9+k3s1", TAG, "v0.35.1-rc1+k3s1"] {
            upstream.tag(tag, "HEAD");
        }
        upstream
    }

    fn repository(&self) -> git2::Repository {
        git2::Repository::open(self.folder.path().join("k3s")).unwrap()
    }

    fn commit(&self, name: &str) -> String {
        self.repository().revparse_single(name).unwrap().peel_to_commit().unwrap().id().to_string()
    }

    /// Makes a tag mean a commit, whatever it meant before.
    fn tag(&self, tag: &str, name: &str) {
        let repository = self.repository();
        let object = repository.revparse_single(name).unwrap();
        repository.tag_lightweight(tag, &object, true).unwrap();
    }

    /// Makes a commit of the same tree, and has a tag mean it.
    fn move_tag(&self, tag: &str) {
        commit(&self.repository(), "Another");
        self.tag(tag, "HEAD");
    }

    /// A place whose git finds upstream here, and whose caches are empty.
    fn place(&self) -> Place {
        let mut place = Place::new();
        place.set("K3S_XTASK_CACHE", place.path("cache"));
        self.lead(&mut place, &[(UPSTREAM, "k3s")]);
        place
    }

    fn lead(&self, place: &mut Place, repositories: &[(&str, &str)]) {
        for (index, (url, name)) in repositories.iter().enumerate() {
            let here = format!("{}/{name}/.git", self.server.url);
            place.set(format!("GIT_CONFIG_KEY_{index}"), format!("url.{here}.insteadOf"));
            place.set(format!("GIT_CONFIG_VALUE_{index}"), *url);
        }
        place.set("GIT_CONFIG_COUNT", repositories.len().to_string());
    }
}

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../sample")
}

/// A repository with one commit, of these folders of the sample one over the other.
fn make_repository(folder: &Path, parts: &[&str]) {
    for part in parts {
        xtask::tree::copy(&sample().join(part), folder).unwrap();
    }
    let repository = git2::Repository::init(folder).unwrap();
    commit(&repository, "First");
}

fn commit(repository: &git2::Repository, message: &str) {
    let mut index = repository.index().unwrap();
    index.add_all(["*"], git2::IndexAddOption::FORCE, None).unwrap();
    index.write().unwrap();
    let tree = repository.find_tree(index.write_tree().unwrap()).unwrap();
    let parent = repository.head().ok().map(|head| head.peel_to_commit().unwrap());
    let parents: Vec<_> = parent.iter().collect();
    let author = git2::Signature::new("t", "t@localhost", &git2::Time::new(1_700_000_000, 0)).unwrap();
    repository.commit(Some("HEAD"), &author, &author, message, &tree, &parents).unwrap();
}

/// What a command says beside its result, given that it succeeds.
#[track_caller]
fn said(place: &Place, arguments: &[&str]) -> String {
    succeeded(place.xtask(arguments).output().unwrap()).1
}

fn lock(place: &Place) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(place.path("k3s.lock.json")).unwrap()).unwrap()
}

#[test]
fn the_first_use_of_a_tag_is_locked_and_said_and_the_next_needs_no_server() {
    let upstream = Upstream::new();
    let place = upstream.place();
    let told = said(&place, &["images", "--k3s", TAG]);
    let commit = upstream.commit(TAG);
    assert!(told.contains(&format!("locked {TAG} of {UPSTREAM} at {commit}")), "{told}");
    assert_eq!(lock(&place), serde_json::json!({"tags": {UPSTREAM: {TAG: commit}}, "files": {}}));
    let asked = upstream.server.requests().len();
    let told = said(&place, &["images", "--k3s", TAG, "--locked"]);
    assert!(!told.contains("locked"), "{told}");
    said(&place, &["--offline", "images", "--k3s", TAG]);
    assert_eq!(upstream.server.requests().len(), asked);
}

#[test]
fn only_the_commit_is_fetched_and_none_before_it() {
    let upstream = Upstream::new();
    upstream.move_tag(TAG);
    let place = upstream.place();
    said(&place, &["images", "--k3s", TAG]);
    let caches = std::fs::read_dir(place.path("cache/git")).unwrap().map(|entry| entry.unwrap().path());
    let cached = caches.filter(|path| path.extension().is_some_and(|extension| extension == "git"));
    let repository = git2::Repository::open(cached.last().unwrap()).unwrap();
    let parent = upstream.repository().head().unwrap().peel_to_commit().unwrap().parent_id(0).unwrap();
    assert!(repository.find_commit(upstream.commit(TAG).parse().unwrap()).is_ok());
    assert!(repository.find_commit(parent).is_err(), "the history was fetched too");
}

#[test]
fn a_tag_that_moved_stops_the_build_until_the_lock_is_told_to_forget_it() {
    let upstream = Upstream::new();
    let mut place = upstream.place();
    said(&place, &["images", "--k3s", TAG]);
    let (locked, before) = (upstream.commit(TAG), lock(&place));
    upstream.move_tag(TAG);
    let moved = upstream.commit(TAG);

    // With the locked commit at hand nothing has to be asked.
    said(&place, &["images", "--k3s", TAG]);
    place.set("K3S_XTASK_CACHE", place.path("empty"));
    let told = place.fails(["build", "--k3s", TAG]);
    for said in [TAG, "has moved", &locked, &moved, &format!("cargo xtask bump --k3s {TAG}")] {
        assert!(told.contains(said), "{said:?} is missing: {told}");
    }
    assert_eq!(lock(&place), before);

    let told = place.succeeds(["bump", "--k3s", TAG]);
    assert!(told.contains(&format!("forgotten: {UPSTREAM} {TAG} {locked}")), "{told}");
    let told = said(&place, &["images", "--k3s", TAG]);
    assert!(told.contains(&format!("locked {TAG} of {UPSTREAM} at {moved}")), "{told}");
    let told = place.fails(["bump", "--k3s", "v9.9.9+k3s1"]);
    assert!(told.contains("locks no tag v9.9.9+k3s1"), "{told}");
}

#[test]
fn what_is_not_locked_is_refused_where_nothing_may_be_added() {
    let upstream = Upstream::new();
    let place = upstream.place();
    let told = place.fails(["build", "--k3s", TAG, "--locked"]);
    assert!(told.contains(&format!("does not lock {TAG} of {UPSTREAM}")), "{told}");
    assert!(told.contains("once without --locked and commit the lock file"), "{told}");
    assert!(!place.path("k3s.lock.json").exists());
}

#[test]
fn a_malformed_lock_is_refused_and_left_as_it_is() {
    let place = Place::new();
    let commit = "0123456789".repeat(4);
    for (text, why) in [
        ("{".to_owned(), "EOF while parsing"),
        ("null".to_owned(), "invalid type: null"),
        ("{\"tagz\": {}}".to_owned(), "unknown field `tagz`"),
        (format!("{{\"tags\": {{\"u\": {{\"t\": \"{}\"}}}}}}", &commit[1..]), "is not a commit (40 hex"),
        ("{\"tags\": {\"u\": {\"t\": \"main\"}}}".to_owned(), "u t: \"main\" is not a commit"),
        ("{\"files\": {\"u\": \"abc\"}}".to_owned(), "not a SHA-256 sum"),
    ] {
        std::fs::write(place.path("k3s.lock.json"), &text).unwrap();
        let told = place.fails(["build", "--k3s", TAG]);
        assert!(told.contains("k3s.lock.json") && told.contains(why), "{text}: {told}");
        assert_eq!(std::fs::read_to_string(place.path("k3s.lock.json")).unwrap(), text);
    }
}

#[test]
fn a_line_and_stable_mean_the_newest_release_of_it() {
    let upstream = Upstream::new();
    for tag in ["v0.35.2+k3s1", "v0.35.2+k3s10", "v0.35.2+k3s9", "v0.36.0-rc1+k3s1", "nightly"] {
        upstream.tag(tag, "HEAD");
    }
    let place = upstream.place();
    for (asked, found) in [("v0.35", "v0.35.2+k3s10"), ("stable", "v0.35.2+k3s10"), ("v0.34", "v0.34.9+k3s1")]
    {
        let place = upstream.place();
        let told = said(&place, &["images", "--k3s", asked]);
        assert!(told.contains(&format!("locked {found} of")), "{asked}: {told}");
    }
    let told = place.fails(["build", "--k3s", "v0.37"]);
    assert!(told.contains("--k3s v0.37: give a tag (v1.33.0+k3s1), a line (v1.33) or stable"), "{told}");
    let told = place.fails(["--offline", "build", "--k3s", "stable"]);
    assert!(told.contains("--offline forbids asking"), "{told}");
}

#[test]
fn a_tag_that_does_not_exist_is_answered_with_the_nearest_ones() {
    let upstream = Upstream::new();
    let place = upstream.place();
    let told = place.fails(["build", "--k3s", "v0.35.0+k3s7"]);
    assert!(told.contains(&format!("{UPSTREAM} has no tag v0.35.0+k3s7")), "{told}");
    assert!(told.contains(&format!("nearest: {TAG}, ")), "{told}");
}

#[test]
fn a_server_that_does_not_answer_is_named() {
    let mut place = Place::new();
    place.set("K3S_XTASK_CACHE", place.path("cache"));
    place.set("GIT_CONFIG_COUNT", "1");
    // Nobody listens at port 1.
    place.set("GIT_CONFIG_KEY_0", "url.http://127.0.0.1:1/.insteadOf");
    place.set("GIT_CONFIG_VALUE_0", "https://github.com/");
    let told = place.fails(["build", "--k3s", TAG]);
    assert!(told.contains(&format!("cannot fetch {UPSTREAM}")) && told.contains("127.0.0.1"), "{told}");
}

#[test]
fn the_sample_comes_from_here_wherever_the_user_leads_git() {
    let mut place = Place::new();
    place.set("GIT_CONFIG_COUNT", "1");
    place.set("GIT_CONFIG_KEY_0", "url.http://127.0.0.1:1/.insteadOf");
    // As long an address as the sample's own setting has, or git would take that one.
    place.set("GIT_CONFIG_VALUE_0", "https://github.com/rancher/plugins");
    let told = place.succeeds(["build", "--sample", "--dry-run"]);
    assert!(told.contains("\ncni\n    plugins "), "{told}");
}

/// Every file and folder with all that writing to it would change.
fn state(folder: &Path) -> BTreeMap<PathBuf, (u64, u32, i64, i64, i64)> {
    let entries = walkdir::WalkDir::new(folder).into_iter().map(Result::unwrap);
    let state = |entry: walkdir::DirEntry| {
        let found = entry.metadata().unwrap();
        (
            entry.into_path(),
            (found.size(), found.mode(), found.mtime(), found.mtime_nsec(), found.ctime_nsec()),
        )
    };
    entries.map(state).collect()
}

fn permit(folder: &Path, mode: impl Fn(u32) -> u32) {
    for entry in walkdir::WalkDir::new(folder).contents_first(true) {
        let entry = entry.unwrap();
        if !entry.file_type().is_symlink() {
            let permissions = entry.metadata().unwrap().permissions();
            std::fs::set_permissions(entry.path(), PermissionsExt::from_mode(mode(permissions.mode())))
                .unwrap();
        }
    }
}

#[test]
fn a_local_source_is_read_and_never_written_to() {
    let place = Place::new();
    let source = place.path("source");
    make_repository(&source, &["k3s/base", "k3s/embed"]);
    std::fs::write(source.join("go.mod"), "what is not committed is not built").unwrap();
    permit(&source, |mode| mode & 0o555);
    let before = state(&source);
    // Root may write to everything, unless it is started without that right.
    let words: &[&str] = match nix::unistd::geteuid().is_root() {
        true => &["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"],
        false => &[],
    };
    let source_text = source.to_str().unwrap();
    for arguments in
        [&["images", "--source", source_text][..], &["patch", "--check", "--source", source_text]]
    {
        let (listed, told) = succeeded(place.under(words, arguments).output().unwrap());
        assert!(listed.contains("pause"), "{listed}{told}");
    }
    assert_eq!(state(&source), before);
    permit(&source, |mode| mode | 0o200);
}

#[test]
fn what_is_not_a_k3s_tree_is_refused_with_what_it_is() {
    let place = Place::new();
    let at = |name: &str| place.path(name).to_str().unwrap().to_owned();
    std::fs::create_dir(at("plain")).unwrap();
    git2::Repository::init(at("empty")).unwrap();
    make_repository(&place.path("plugins"), &["plugins"]);
    make_repository(&place.path("k3s"), &["k3s/base", "k3s/embed"]);
    let sources: [(&[&str], &str); 7] = [
        (&["--source", &at("nowhere")], "nowhere: there is no such folder"),
        (&["--source", &at("plain")], "git init, git add -A, git commit"),
        (&["--source", &at("empty")], "has no branch, tag or commit \"HEAD\""),
        (&["--source", &at("plugins")], "is not k3s: its go.mod does not say `module github.com/k3s-io/k3s`"),
        (&["--source", &at("k3s"), "--ref", "elsewhere"], "has no branch, tag or commit \"elsewhere\""),
        (
            &["--source", &at("k3s"), "--as", "v0.34.0+k3s1"],
            "does not fit: the tree builds Kubernetes v0.35.0",
        ),
        (&["--source", &format!("file://{}", at("nowhere"))], "cannot fetch file://"),
    ];
    for (source, why) in sources {
        let told = place.fails(["build"].iter().chain(source));
        assert!(told.contains(why), "{source:?}: {why:?} is missing: {told}");
    }
}

#[test]
fn a_release_is_built_over_http_then_locked_then_without_a_network() {
    let upstream = Upstream::new();
    let mut place = upstream.place();
    // What stands for the rest of the world is laid out as the sample lays it out.
    let laid_out = lay_out(&place);
    for (name, tag) in [("plugins", "v1.9.0-k3s1-sample"), ("cni-plugin", "v1.9.0-flannel1-sample")] {
        make_repository(&upstream.folder.path().join(name), &[name]);
        let repository = git2::Repository::open(upstream.folder.path().join(name)).unwrap();
        repository.tag_lightweight(tag, &repository.revparse_single("HEAD").unwrap(), true).unwrap();
    }
    let repositories = [
        (UPSTREAM, "k3s"),
        ("https://github.com/rancher/plugins", "plugins"),
        ("https://github.com/flannel-io/cni-plugin", "cni-plugin"),
    ];
    upstream.lead(&mut place, &repositories);
    let files = file_server(laid_out.join("mirror"));
    place.set("K3S_XTASK_MIRROR", &files.url);
    borrow_toolchains(&mut place, &laid_out);

    let build = ["build", "--k3s", TAG];
    let first = said(&place, &build);
    for locked in [TAG, "v1.9.0-k3s1-sample", "v1.9.0-flannel1-sample", "k3s-root-riscv64.tar", "traefik-crd"]
    {
        assert!(
            first.lines().any(|line| line.starts_with("locked ") && line.contains(locked)),
            "{locked}\n{first}"
        );
    }
    let product = |told: String| Product::read(place.dist().join(TAG).join("riscv64"), told);
    let (manifest, sums) = (product(first).manifest, product(String::new()).sums());
    assert_eq!((manifest.origin.as_str(), manifest.commit), ("release", upstream.commit(TAG)));
    assert_eq!(manifest.incomplete, [""; 0]);

    std::fs::remove_dir_all(place.path("target")).unwrap();
    let asked = files.requests().len() + upstream.server.requests().len();
    let second = said(&place, &["build", "--k3s", TAG, "--locked"]);
    assert!(!second.contains("locked "), "{second}");
    std::fs::remove_dir_all(place.path("target")).unwrap();
    // Without a network, a line means the newest of its tags that are locked.
    said(&place, &["--offline", "build", "--k3s", "v0.35"]);
    assert_eq!(product(String::new()).sums(), sums);
    assert_eq!(files.requests().len() + upstream.server.requests().len(), asked);

    // Without what was fetched, all of it is missing at once.
    let git = place.path("cache/git");
    std::fs::rename(place.path("cache/downloads"), place.path("downloads")).unwrap();
    std::fs::rename(&git, place.path("git")).unwrap();
    std::fs::create_dir_all(&git).unwrap();
    for entry in std::fs::read_dir(place.path("git")).unwrap().flatten() {
        if entry.file_name().to_string_lossy().starts_with("k3s-") {
            std::fs::rename(entry.path(), git.join(entry.file_name())).unwrap();
        }
    }
    std::fs::remove_dir_all(place.path("target")).unwrap();
    let told = place.fails(["--offline", "build", "--k3s", TAG]);
    for missing in [
        "refs/tags/v1.9.0-k3s1-sample of https://github.com/rancher/plugins",
        "refs/tags/v1.9.0-flannel1-sample of https://github.com/flannel-io/cni-plugin",
        "libseccomp-2.6.0.tar.gz is not in the cache",
        "v0.15.0-sample-k3s-root-riscv64.tar is not in the cache",
        "traefik-0.35.0+up0.35.0.tgz is not in the cache",
        "traefik-crd-0.35.0+up0.35.0.tgz is not in the cache",
    ] {
        assert!(told.contains(missing), "{missing:?} is missing: {told}");
    }
    std::fs::rename(place.path("downloads"), place.path("cache/downloads")).unwrap();
    std::fs::remove_dir_all(&git).unwrap();
    std::fs::rename(place.path("git"), &git).unwrap();

    // The same commit of a tree bears the same version, and is no release for that.
    let source = upstream.folder.path().join("k3s");
    let of_tree = ["build", "--source", source.to_str().unwrap(), "--ref", TAG];
    said(&place, &of_tree);
    let manifest = product(String::new()).manifest;
    assert_eq!((manifest.origin.as_str(), manifest.commit), ("tree", upstream.commit(TAG)));

    // A tag of somebody else's making gives no version.
    upstream.move_tag(TAG);
    let plan = place.succeeds(of_tree.iter().copied().chain(["--dry-run"]));
    let version = format!("k3s v0.35.0+k3s-{}", &upstream.commit(TAG)[..8]);
    assert!(plan.contains(&version), "{version} is missing: {plan}");
}

/// The folder in which the sample keeps its mirror of downloads and its proxy of modules.
fn lay_out(place: &Place) -> PathBuf {
    place.succeeds(["images", "--sample"]);
    let steps = std::fs::read_dir(place.work().join("sample")).unwrap().map(|entry| entry.unwrap().path());
    let laid_out = steps.filter(|path| path.join("mirror").is_dir()).last().unwrap();
    let kept = place.path("laid-out");
    std::fs::rename(laid_out, &kept).unwrap();
    kept
}

/// Serves the files of a folder.
fn file_server(folder: PathBuf) -> Server {
    use super::http;
    Server::start(move |request, _| {
        match std::fs::read(folder.join(request.target.trim_start_matches('/'))) {
            Ok(bytes) => http::ranged(request, &bytes),
            Err(_) => http::status("404 Not Found"),
        }
    })
}

/// Gives a place modules of its own, before those of this machine, and the toolchains of this machine.
fn borrow_toolchains(place: &mut Place, laid_out: &Path) {
    let go = |name: &str| {
        let output = std::process::Command::new("go").args(["env", name]).output().unwrap();
        PathBuf::from(succeeded(output).0.trim())
    };
    let (theirs, ours) = (go("GOMODCACHE"), place.path("modules"));
    let link = |name: &str| {
        if theirs.join(name).exists() {
            std::fs::create_dir_all(ours.join(name).parent().unwrap()).unwrap();
            std::os::unix::fs::symlink(theirs.join(name), ours.join(name)).unwrap();
        }
    };
    link("cache/download/sumdb");
    link("cache/download/golang.org/toolchain");
    for entry in std::fs::read_dir(theirs.join("golang.org")).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("toolchain@") {
            link(&format!("golang.org/{name}"));
        }
    }
    place.set("GOMODCACHE", &ours);
    let proxies = [laid_out.join("proxy"), theirs.join("cache/download")]
        .map(|path| format!("file://{}", path.display()));
    place.set("GOPROXY", format!("{},{}", proxies.join(","), go("GOPROXY").display()));
    // The checksum database knows no stand-ins.
    place.set("GONOSUMDB", "github.com,k8s.io,sigs.k8s.io,go.etcd.io");
    for (name, folder) in [("go-build", "go-build"), ("zig", "zig"), ("tools", "tools")] {
        let shared = place::cache().join(folder);
        std::fs::create_dir_all(place.path("cache")).unwrap();
        std::os::unix::fs::symlink(shared, place.path("cache").join(name)).unwrap();
    }
    let libseccomp = place::cache().join("downloads");
    std::fs::create_dir_all(place.path("cache/downloads")).unwrap();
    for entry in std::fs::read_dir(libseccomp).into_iter().flatten().flatten() {
        if walkdir::WalkDir::new(entry.path())
            .into_iter()
            .flatten()
            .any(|file| file.path().to_string_lossy().contains("libseccomp"))
        {
            std::os::unix::fs::symlink(entry.path(), place.path("cache/downloads").join(entry.file_name()))
                .unwrap();
        }
    }
}
