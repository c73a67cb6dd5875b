//! Tests of images/klipper-lb/entry, with stubs of iptables that record their calls and keep their rules.

mod backend;
mod container;
mod refusals;
mod rules;
mod stop;

use crate::root::shellcheck;
use std::path::Path;

const ENTRY: &str = include_str!("../../../images/klipper-lb/entry");

#[test]
fn shellcheck_finds_nothing() {
    let entry = Path::new(env!("CARGO_MANIFEST_DIR")).join("../images/klipper-lb/entry");
    assert_eq!(shellcheck(&entry), "");
}
