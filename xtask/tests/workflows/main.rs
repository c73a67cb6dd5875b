//! The workflows of GitHub: what is said of them by those whose trade it is, and whether their lines run.

#[allow(dead_code, reason = "these tests need some of it")]
#[path = "../support/needs.rs"]
mod needs;
#[allow(dead_code, reason = "these tests need some of it")]
#[path = "../support/place.rs"]
mod place;

mod judges;
mod lines;
mod model;
mod owner;
mod promises;
