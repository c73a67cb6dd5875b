//! The sample: a small k3s of our own, laid out so that the same pipeline that builds k3s builds it.
//!
//! Everything a build would fetch from upstream is made from `sample/`: git repositories, module zips,
//! k3s-root's archive and the charts. Only what surrounds the pipeline is different, never the pipeline.

use crate::archive;
use crate::context::Context;
use crate::dir;
use crate::k3s::root_release::RootRelease;
use crate::lockfile::{Adding, Lockfile};
use crate::repository;
use crate::step::{Plan, Step};
use crate::toolchain::go::StandIns;
use crate::toolchain::module_cache::unescaped;
use crate::upstream::checkout::{self, Commit};
use crate::upstream::commands::file_name;
use crate::upstream::release::{Origin, Source};
use crate::upstream::script_probe::ScriptTrust;
use crate::upstream::selection::Selection;
use crate::upstream::transfer::{GitSettings, Reach};
use crate::url::file_url;
use anyhow::{Context as _, Result, anyhow};
use flate2::write::GzEncoder;
use fs_err as fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Upstream's two ways to embed assets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Layout {
    Bindata,
    Embed,
}

impl Layout {
    fn directory(self) -> &'static str {
        match self {
            Layout::Bindata => "bindata",
            Layout::Embed => "embed",
        }
    }
}

/// The name of the step that lays it out.
const STEP: &str = "sample";

/// The time of everything in the sample: 2025-01-01.
const TIME: i64 = 1_735_689_600;

/// Lays the sample out in a step, and selects it.
pub fn prepare(context: Context, layout: Layout) -> Result<Selection> {
    let sample = context.root.join("sample");
    // A module of the sample changes without a new version, for which Go would report a checksum mismatch.
    let cache = context.cache.join("sample-modules").join(dir::digest(&sample.join("modules"))?.short());
    let inputs = vec![format!("{} layout of {}", layout.directory(), dir::digest(&sample)?)];
    let step = Step::in_process(STEP, inputs).work(|directory, _| lay_out(&sample, layout, directory));
    let (results, _) = Plan::new(vec![step])?.run(&context, &context.work)?;
    let directory = results.directory(STEP)?;
    let k3s = directory.join("k3s");
    let settings = Settings::read(&k3s)?;
    let git = GitSettings {
        configuration: settings
            .repositories()
            .map(|(name, url, _)| instead_of(directory, name, url))
            .to_vec(),
        directory: context.work.join("sample-git"),
        reach: Reach::ThisMachine,
    };
    let lock = Lockfile::open(&directory.join("lock.json"), Adding::InMemory)?;
    let source = Source {
        commit: Commit { id: checkout::resolve(&k3s, "HEAD")?, repository: k3s },
        version: settings.version.parse()?,
        origin: Origin::Sample,
        time: TIME,
        location: format!("sample/ ({} layout)", layout.directory()),
    };
    let stand_ins = Some(StandIns { proxy: file_url(&directory.join("proxy")), cache });
    let context = Context { mirror: Some(file_url(&directory.join("mirror"))), ..context };
    Ok(Selection {
        context,
        lock,
        source,
        git,
        stand_ins,
        vendored_images: None,
        scripts: ScriptTrust::Trusted,
    })
}

/// Makes the repositories, the mirror of downloads and the proxy of modules.
fn lay_out(sample: &Path, layout: Layout, directory: &Path) -> Result<()> {
    let k3s = directory.join("k3s");
    dir::copy(&sample.join("k3s/base"), &k3s)?;
    dir::copy(&sample.join("k3s").join(layout.directory()), &k3s)?;
    let settings = Settings::read(&k3s)?;
    commit(&k3s, &settings.version)?;
    for (name, _, tag) in settings.repositories() {
        let repository = directory.join("git").join(name);
        dir::copy(&sample.join(name), &repository)?;
        commit(&repository, tag)?;
    }
    stock_mirror(sample, &directory.join("mirror"), &settings)?;
    stock_proxy(&sample.join("modules"), &directory.join("proxy"))
}

/// Returns the setting that leads git to the repository of the sample.
fn instead_of(directory: &Path, name: &str, url: &str) -> (String, String) {
    (format!("url.{}.insteadOf", file_url(&directory.join("git").join(name))), url.to_owned())
}

/// The names that the sample's own scripts give to what they fetch.
struct Settings {
    version: String,
    cni_plugins: String,
    flannel_plugin: String,
    root: String,
    charts: Vec<String>,
}

impl Settings {
    fn read(k3s: &Path) -> Result<Settings> {
        let script = fs::read_to_string(k3s.join("scripts/version.sh"))?;
        let value = |name: &str| {
            let prefix = format!("{name}=\"");
            script.lines().find_map(|line| Some(line.strip_prefix(&prefix)?.trim_end_matches('"').to_owned()))
        };
        let required =
            |name: &str| value(name).ok_or_else(|| anyhow!("the sample's scripts/version.sh sets no {name}"));
        let gomod = crate::toolchain::gomod::GoMod::read(k3s)?;
        let kubernetes = gomod.kubernetes()?;
        let kubernetes = kubernetes.written_version().split('-').next().unwrap_or_default();
        let mut charts = Vec::new();
        for entry in walkdir::WalkDir::new(k3s.join("manifests")).sort_by_file_name() {
            let entry = entry.context("looking for the sample's manifests")?;
            if entry.file_type().is_file() {
                let manifest = fs::read_to_string(entry.path())?;
                let urls = manifest.lines().filter_map(|line| line.trim().strip_prefix("chart:"));
                charts.extend(urls.map(|url| file_name(url.trim()).to_owned()));
            }
        }
        Ok(Settings {
            version: format!("{kubernetes}+k3s1.sample"),
            cni_plugins: required("VERSION_CNIPLUGINS")?,
            flannel_plugin: required("VERSION_FLANNEL_PLUGIN")?,
            root: required("VERSION_ROOT")?,
            charts,
        })
    }

    /// Returns the CNI repositories: their directory in the sample, the URL they stand for, and their tag.
    fn repositories(&self) -> [(&'static str, &'static str, &str); 2] {
        [
            ("plugins", "https://github.com/rancher/plugins", &self.cni_plugins),
            ("cni-plugin", "https://github.com/flannel-io/cni-plugin", &self.flannel_plugin),
        ]
    }
}

/// Makes a directory a repository with one commit and one tag, the same wherever, whenever and with whatever
/// settings of git it is done.
fn commit(directory: &Path, tag: &str) -> Result<()> {
    let scratch = tempfile::tempdir_in(directory.parent().context("the sample is below a directory")?)?;
    let repository = repository::init_bare(scratch.path())?;
    let tree = repository.find_tree(repository::write_tree(&repository, directory)?)?;
    let author = git2::Signature::new("sample", "sample@localhost", &git2::Time::new(TIME, 0))?;
    let id = repository.commit(Some("HEAD"), &author, &author, "The sample, which is not k3s", &tree, &[])?;
    repository.tag_lightweight(tag, repository.find_commit(id)?.as_object(), false)?;
    Ok(fs::rename(scratch.keep(), directory.join(".git"))?)
}

/// Puts k3s-root's archives and the charts where a mirror of their hosts would keep them.
fn stock_mirror(sample: &Path, mirror: &Path, settings: &Settings) -> Result<()> {
    let releases = mirror.join("github.com/k3s-io/k3s-root/releases/download").join(&settings.root);
    for target in &crate::target::TARGETS {
        let archive = releases.join(format!("k3s-root-{}.tar", target.go));
        fs::create_dir_all(&releases)?;
        let mut tar = tar::Builder::new(fs::File::create(archive)?);
        archive::append_tree(&mut tar, &sample.join("k3s-root"), Path::new(""), |_| true)?;
        tar.finish()?;
    }
    let sources = sample.join("k3s-root-sources");
    if let Some(release) = RootRelease::in_directory(&sources, &settings.root)? {
        // Of one package there are no sources, as of a server that is gone.
        for url in release.urls().filter(|url| sources.join(file_name(url)).is_file()) {
            let place = mirror.join(url.trim_start_matches("https://"));
            dir::copy_file(&sources.join(file_name(url)), &place)?;
        }
    }
    for chart in &settings.charts {
        // `traefik-crd-25.0.3+up25.0.0.tgz` is chart `traefik-crd`.
        let name = chart.trim_end_matches(|c: char| c != '-').trim_end_matches('-');
        let name =
            name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '+').trim_end_matches('-');
        let place = mirror.join("k3s.io/k3s-charts/assets").join(name);
        fs::create_dir_all(&place)?;
        let gzip = GzEncoder::new(fs::File::create(place.join(chart))?, flate2::Compression::default());
        let mut tar = tar::Builder::new(gzip);
        archive::append_tree(&mut tar, &sample.join("charts").join(name), Path::new(name), |_| true)?;
        tar.into_inner()?.finish()?;
    }
    Ok(())
}

/// Lays the stand-in modules out as a module proxy (go.dev/ref/mod#goproxy-protocol).
fn stock_proxy(modules: &Path, proxy: &Path) -> Result<()> {
    for entry in walkdir::WalkDir::new(modules).sort_by_file_name() {
        let entry = entry.with_context(|| format!("reading {}", modules.display()))?;
        let relative = entry.path().strip_prefix(modules)?.to_string_lossy().into_owned();
        let Some((path, version)) =
            relative.rsplit_once('@').filter(|_| entry.path().join("go.mod").is_file())
        else {
            continue;
        };
        let place = proxy.join(path).join("@v");
        fs::create_dir_all(&place)?;
        fs::write(place.join(format!("{version}.info")), format!("{{\"Version\":\"{version}\"}}"))?;
        fs::copy(entry.path().join("go.mod"), place.join(format!("{version}.mod")))?;
        zip_module(entry.path(), path, version, &place.join(format!("{version}.zip")))?;
    }
    Ok(())
}

/// Zips a module as Go expects it, every file below `path@version/` (go.dev/ref/mod#zip-files). The
/// path in the zip is not escaped: `!` before a letter in a directory's name stands for its capital.
fn zip_module(directory: &Path, path: &str, version: &str, archive: &PathBuf) -> Result<()> {
    let mut zip = zip::ZipWriter::new(fs::File::create(archive)?);
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for entry in walkdir::WalkDir::new(directory).sort_by_file_name() {
        let entry = entry?;
        if entry.file_type().is_file() {
            let name = entry.path().strip_prefix(directory)?.to_string_lossy().into_owned();
            zip.start_file(format!("{}@{version}/{name}", unescaped(path)), options)?;
            zip.write_all(&fs::read(entry.path())?)?;
        }
    }
    zip.finish()?;
    // Go does not check the mode, but other users must not be able to write to the file.
    fs::set_permissions(archive, std::fs::Permissions::from_mode(0o644))?;
    Ok(())
}
