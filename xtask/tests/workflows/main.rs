//! Tests of GitHub's workflows: the findings of linters, and runs of their lines.

#[allow(dead_code, reason = "these tests need some of it")]
#[path = "../support/needs.rs"]
mod needs;
#[allow(dead_code, reason = "these tests need some of it")]
#[path = "../support/test_env.rs"]
mod test_env;

mod linters;
mod lines;
mod model;
mod owner;
mod policy;
