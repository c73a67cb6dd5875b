//! Tests of images/klipper-helm/entry, with a stub of helm that records its calls.

mod chart;
mod job;
mod options;
mod release;

use crate::root::shellcheck;
use std::path::Path;

const ENTRY: &str = include_str!("../../../images/klipper-helm/entry");

#[test]
fn shellcheck_finds_nothing() {
    let entry = Path::new(env!("CARGO_MANIFEST_DIR")).join("../images/klipper-helm/entry");
    assert_eq!(shellcheck(&entry), "");
}
