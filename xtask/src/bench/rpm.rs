//! Packaging beside rpmbuild alone, and what each way to compress a package costs whom.

use super::{Row, in_turns};
use crate::command::rpm::PackageOptions;
use crate::context::Context;
use crate::process::Program;
use crate::product::Product;
use crate::rpm::naming::rpm_version;
use crate::rpm::sources::{self, Topdir};
use crate::rpm::{Packaging, build};
use crate::target::Target;
use anyhow::{Context as _, Result};
use fs_err as fs;
use indicatif::HumanBytes;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use std::path::{Path, PathBuf};
use std::time::Instant;
use xshell::cmd;

/// How often each is run, one after the other in turns.
const RUNS: usize = 3;

/// The ways to compress that are compared, by their names and as rpm takes them (`%_binary_payload`).
const PAYLOADS: [(&str, &str); 4] =
    [("zstd 3", "w3.zstdio"), ("zstd 7", "w7.zstdio"), ("zstd 19", "w19.zstdio"), ("xz 7", "w7.xzdio")];

/// Measures both on a finished product.
pub fn run(context: &Context, folder: &Path, options: &PackageOptions) -> Result<()> {
    let product = Product::open_any(folder)?;
    let target = Target::named(&product.manifest.arch)?;
    let packager = options.prepare(context)?;
    let place = context.work.join("bench-rpm");
    if place.exists() {
        fs::remove_dir_all(&place)?;
    }
    let manifest = &product.manifest;
    let packaging = Packaging {
        context,
        product: &product,
        target,
        dist: packager.dist,
        release: packager.release,
        version: rpm_version(&manifest.k3s.parse()?, &manifest.commit, manifest.source_date_epoch)?,
        address: packager.address.clone(),
        rebuild: None,
    };
    beside_rpmbuild(&packaging, &place)?;
    println!();
    payloads(&packaging, &place)?;
    Ok(fs::remove_dir_all(&place)?)
}

/// `cargo xtask rpm` as a person calls it, beside rpmbuild on the very sources that it lays out.
fn beside_rpmbuild(packaging: &Packaging, place: &Path) -> Result<()> {
    let topdir = Topdir::new(place.join("alone"))?;
    sources::lay_out(packaging, &topdir)?;
    let ours = || spent(|| whole_command(packaging, &place.join("ours")));
    let pairs = in_turns(RUNS, ours, || spent(|| build::run(packaging, &topdir).map(drop)))?;
    let figures = |figure: Figure| -> Vec<(f64, f64)> {
        pairs.iter().map(|(ours, theirs)| (figure(ours), figure(theirs))).collect()
    };
    let rows: Vec<Row> =
        FIGURES.into_iter().flat_map(|(what, figure)| super::rows(what, "s", &figures(figure))).collect();
    super::print("xtask rpm", "rpmbuild", &rows);
    Ok(())
}

fn whole_command(packaging: &Packaging, target: &Path) -> Result<()> {
    let Packaging { context, product, dist, release, .. } = packaging;
    let (program, folder) = (&context.guard, &product.folder);
    let (arch, dist, release) = (packaging.target.go, dist.name, release.to_string());
    let shell = context.shell()?;
    let arguments =
        cmd!(shell, "{program} rpm --product {folder} --arch {arch} --dist {dist} --release {release}");
    Program::new(context, arguments)
        .env("CARGO_TARGET_DIR", target)
        .env("K3S_XTASK_CACHE", &context.cache)
        .log("bench")
        .run()
        .context("measuring cargo xtask rpm")?;
    Ok(())
}

/// Packages the product's program alone in every way, and prints what each takes.
fn payloads(packaging: &Packaging, place: &Path) -> Result<()> {
    let program = packaging.product.folder.join(packaging.target.k3s_binary());
    let size = fs::metadata(&program)?.len();
    println!("{:<12} {:>12} {:>16} {:>14}", "payload", "rpmbuild", "package", "unpacking");
    println!("{:<12} {:>12} {:>16} {:>14}", "none", "", HumanBytes(size).to_string(), "");
    for (name, payload) in PAYLOADS {
        let topdir = place.join(payload);
        let mut package = PathBuf::new();
        let building = least(|| {
            package = pack(packaging, &program, &topdir, payload)?;
            Ok(())
        })?;
        let shell = packaging.context.shell()?;
        let unpacking = least(|| {
            let script = "rpm2cpio \"$0\" >/dev/null";
            Program::new(packaging.context, cmd!(shell, "sh -c {script} {package}")).run().map(drop)
        })?;
        let size = HumanBytes(fs::metadata(&package)?.len()).to_string();
        println!("{name:<12} {building:>10.2} s {size:>16} {unpacking:>12.2} s");
    }
    println!("(seconds of the processor, the least of {RUNS}; packing is done on one thread)");
    Ok(())
}

/// A package of one file.
fn pack(packaging: &Packaging, program: &Path, topdir: &Path, payload: &str) -> Result<PathBuf> {
    fs::create_dir_all(topdir)?;
    let spec = topdir.join("payload.spec");
    fs::write(
        &spec,
        format!(
            "%global debug_package %{{nil}}\n%global __os_install_post %{{nil}}\n%global _build_id_links none\n\
             Name: payload\nVersion: 1\nRelease: 1\nSummary: One file\nLicense: Apache-2.0\nAutoReqProv: no\n\
             %description\nOne file.\n%install\ninstall -D -m 755 \"{}\" %{{buildroot}}/usr/bin/k3s\n\
             %files\n/usr/bin/k3s\n",
            program.display()
        ),
    )?;
    let arch = packaging.target.rpm;
    let definitions = [format!("_topdir {}", topdir.display()), format!("_binary_payload {payload}")];
    let definitions = definitions.iter().flat_map(|definition| ["--define", definition]);
    let shell = packaging.context.shell()?;
    Program::new(packaging.context, cmd!(shell, "rpmbuild -bb --target {arch} {definitions...} {spec}"))
        .env("HOME", topdir)
        .log("bench")
        .run()
        .with_context(|| format!("packaging with the payload {payload}"))?;
    Ok(topdir.join("RPMS").join(arch).join(format!("payload-1-1.{arch}.rpm")))
}

/// What a piece of work took, in seconds.
struct Spent {
    clock: f64,
    /// Of all programs that were run for it: what counts where others use the machine as well.
    processor: f64,
}

type Figure = fn(&Spent) -> f64;

/// The figures that are compared.
const FIGURES: [(&str, Figure); 2] =
    [("by the clock", |spent| spent.clock), ("of the processor", |spent| spent.processor)];

fn spent(work: impl FnOnce() -> Result<()>) -> Result<Spent> {
    let (begun, before) = (Instant::now(), of_programs()?);
    work()?;
    Ok(Spent { clock: begun.elapsed().as_secs_f64(), processor: of_programs()? - before })
}

/// Seconds of the processor that programs have used which we ran and waited for (getrusage(2)).
#[expect(clippy::cast_precision_loss, reason = "microseconds of hours are far below 2^52")]
fn of_programs() -> Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).context("asking what programs have used")?;
    Ok((usage.user_time() + usage.system_time()).num_microseconds() as f64 / 1e6)
}

fn least(mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    (0..RUNS).try_fold(f64::INFINITY, |least, _| Ok(least.min(spent(&mut work)?.processor)))
}
