//! The source package: everything from which the same binary is built again, without a network.
//!
//! ```text
//! vendored ─► k3s-VERSION.tar.zst, k3s-VERSION-vendor.tar.zst ──┐
//! documents of each architecture ────────────┘                  │
//! workspace ─► k3s-riscv64-VERSION.tar.zst ─────────────────────┼► rpmbuild -bs ─► read back
//! crates ─► k3s-riscv64-VERSION-vendor.tar.zst ─────────────────┘
//! ```

use super::Packaging;
use super::rpmbuild::{self, SpecVariant};
use super::sources::{PATCHES, Topdir};
use super::{documents, read};
use crate::archive::{self, Effort};
use crate::context::Context;
use crate::digest::Digest;
use crate::dir;
use crate::product::Product;
use crate::product::load::NOTICES;
use crate::step::{Plan, Results, Step};
use crate::target::Target;
use crate::vendoring;
use crate::workspace;
use anyhow::{Context as _, Result, ensure};
use fs_err as fs;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Input for building the same binaries again.
#[derive(Clone, Debug)]
pub struct Rebuild {
    /// Directory of the vendored build inputs (see [`crate::vendoring`]).
    pub vendored: PathBuf,
    /// The products that are built again, of one architecture each.
    pub products: Vec<(&'static Target, Product)>,
    /// The options of `cargo xtask build`, as the spec passes them on.
    pub options: String,
    /// The user's own patches, which those options name as [`workspace::OWN_PATCHES`].
    pub patches: Option<PathBuf>,
}

/// Most of a source package is text that compresses well; a host that unpacks it has the memory to compile k3s.
const EFFORT: Effort = Effort { level: 15, window: 27 };

/// Packs the sources, builds the package and reads it back. Returns its path and the number of its files.
pub fn make(packaging: &Packaging, topdir: &Topdir, rebuild: &Rebuild) -> Result<(PathBuf, usize)> {
    let packed = pack(packaging, rebuild)?;
    let (version, builder) = (&packaging.version, env!("CARGO_PKG_VERSION"));
    for (step, source) in [
        ("k3s-sources", format!("k3s-{version}.tar.zst")),
        ("vendored-sources", format!("k3s-{version}-vendor.tar.zst")),
        ("workspace", format!("k3s-riscv64-{builder}.tar.zst")),
        ("crates", format!("k3s-riscv64-{builder}-vendor.tar.zst")),
    ] {
        fs::copy(packed.directory(step)?.join(ARCHIVE), topdir.sources().join(source))?;
    }
    dir::normalize(&topdir.sources(), packaging.time())?;
    let running = packaging.context.progress.step("source package");
    let package = rpmbuild::source(packaging, topdir)?;
    let files =
        verify(packaging, topdir, &package).context("checking the source package that rpmbuild has built")?;
    running.done(format!("{files} files"));
    Ok((package, files))
}

/// The archive in the directory of each step.
const ARCHIVE: &str = "archive.tar.zst";

/// Packs the four archives, unless earlier ones can be used.
fn pack(packaging: &Packaging, rebuild: &Rebuild) -> Result<Results> {
    let context = packaging.context;
    let vendored = &rebuild.vendored;
    let index = Digest::of_file(&vendored.join(vendoring::INDEX))?;
    let of_k3s = |name: &str| name == vendoring::K3S || name == format!("{}.commit", vendoring::K3S);
    let patches = rebuild.patches.as_deref();
    let rest = move |name: &str| !of_k3s(name);
    let mut rest_sum = index.to_string();
    for (_, product) in &rebuild.products {
        rest_sum.push_str(&product.manifest.text()?);
    }
    let plan = Plan::new(vec![
        step(context, "k3s-sources", &index, Box::new(move |into| copy_some(vendored, into, &of_k3s))),
        step(
            context,
            "vendored-sources",
            &Digest::of(rest_sum),
            Box::new(move |into| {
                copy_some(vendored, into, &rest)?;
                rebuild.products.iter().try_for_each(|(target, product)| {
                    write_documents(product, &into.join(DOCUMENTS).join(target.rpm))
                })
            }),
        ),
        step(
            context,
            "workspace",
            &workspace::digest(context, patches)?,
            Box::new(move |into| workspace::copy(context, patches, into)),
        ),
        step(
            context,
            "crates",
            &Digest::of_file(&context.root.join("Cargo.lock"))?,
            Box::new(|into| workspace::vendor_crates(context, into)),
        ),
    ])?;
    Ok(plan.run(context, &context.work)?.0)
}

/// Returns the step that packs what `fill` writes into a directory. Its key is a checksum of the content.
fn step<'a>(context: &'a Context, name: &'static str, sum: &Digest, fill: Box<Fill<'a>>) -> Step<'a> {
    Step::of_commands(name, vec![format!("sha256:{sum}"), EFFORT.to_string()]).work(move |directory, _| {
        let content = tempfile::tempdir_in(directory)?;
        fill(content.path())?;
        archive::write(context, content.path(), ".", &directory.join(ARCHIVE), EFFORT, name)
    })
}

type Fill<'a> = dyn Fn(&Path) -> Result<()> + Send + Sync + 'a;

/// Copies some entries of a directory.
fn copy_some(from: &Path, into: &Path, is_wanted: &dyn Fn(&str) -> bool) -> Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if is_wanted(&name.to_string_lossy()) {
            match entry.file_type()?.is_dir() {
                true => dir::copy(&entry.path(), &into.join(name))?,
                false => drop(fs::copy(entry.path(), into.join(name))?),
            }
        }
    }
    Ok(())
}

/// The directory with the documents of each architecture, in the archive of the vendored sources.
const DOCUMENTS: &str = "documents";

/// Writes the documents that a rebuilt package has from its product.
fn write_documents(product: &Product, into: &Path) -> Result<()> {
    fs::create_dir_all(into)?;
    fs::copy(product.directory.join(NOTICES), into.join(NOTICES))?;
    Ok(fs::write(into.join(PATCHES), documents::patches(&product.manifest))?)
}

/// Checks that the package contains the sources that the spec names, and the spec itself.
fn verify(packaging: &Packaging, topdir: &Topdir, package: &Path) -> Result<usize> {
    let sources = rpmbuild::queried_spec(packaging, topdir, SpecVariant::Source, "[%{SOURCE}\n]")?;
    let mut expected = BTreeMap::from([("k3s.spec".to_owned(), Digest::of_file(&topdir.spec())?)]);
    for name in sources.lines() {
        expected.insert(name.to_owned(), Digest::of_file(&topdir.sources().join(name))?);
    }
    let (_, found) = read::read_source(package)?;
    let wrong: Vec<&String> =
        expected.keys().chain(found.keys()).filter(|name| expected.get(*name) != found.get(*name)).collect();
    ensure!(wrong.is_empty(), "{} differs in {wrong:?}", package.display());
    Ok(found.len())
}
