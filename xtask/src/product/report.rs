//! The report of a build: for the terminal, and as a page.
use super::{Product, manifest::Manifest};
use crate::k3s::Build;
use crate::patch::Applied;
use crate::step::Timing;
pub struct Page(String);
impl Page {
    pub fn html(&self) -> String {
        self.0.clone()
    }
}
pub fn page(_build: &Build, _manifest: &Manifest, _applied: &[Applied], _timings: &[Timing]) -> Page {
    Page(String::new())
}
/// placeholder
pub fn say(build: &Build, product: &Product) {
    build.context.progress.say(format!("{}", product.folder.display()));
    for (name, file) in &product.manifest.files {
        build.context.progress.say(format!("  {name:<28} {}", indicatif::HumanBytes(file.size)));
    }
    for check in &product.manifest.checks {
        build.context.progress.say(format!("  ✓ {}: {}", check.what, check.seen));
    }
}
