//! Tests of GitHub's workflows: the findings of linters, and runs of their lines.

#[path = "../support/git_server.rs"]
mod git_server;
#[allow(dead_code, reason = "these tests need some of it")]
#[path = "../support/http.rs"]
mod http;
#[allow(dead_code, reason = "these tests need some of it")]
#[path = "../support/needs.rs"]
mod needs;
#[allow(dead_code, reason = "these tests need some of it")]
#[path = "../support/test_env.rs"]
mod test_env;
#[allow(dead_code, reason = "these tests need some of it")]
#[path = "../support/upstream.rs"]
mod upstream;

mod linters;
mod lines;
mod model;
mod origin;
mod owner;
mod policy;
mod proposals;
mod ways;
