//! Tests of the packages for openEuler, with the real rpm, rpmbuild, createrepo_c and dnf: their names and
//! contents, their installation, upgrade and removal, and the release that contains them.

#[path = "../support/needs.rs"]
mod needs;
#[allow(dead_code, reason = "these tests need some of it")]
#[path = "../support/test_env.rs"]
mod test_env;
#[path = "../support/site_macros.rs"]
mod site_macros;

mod bad_input;
mod booted;
mod earlier;
mod fake;
mod images;
mod packages;
mod lint;
mod migration;
mod mutants;
mod names;
mod reading_back;
mod release;
mod release_changes;
mod repository;
mod root;
mod root_sources;
mod same_bytes;
mod sample;
mod scriptlets;
mod scripts;
mod signing;
mod spec;
mod transactions;
mod units;
mod upload;
mod verify;
