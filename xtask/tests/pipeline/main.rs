//! Tests of the pipeline on the sample upstream: its plans, its results, and its behaviour under failures of
//! machines and networks and mistakes of users.

#[path = "../support/git_server.rs"]
mod git_server;
#[path = "../support/http.rs"]
mod http;
#[allow(dead_code, reason = "these tests need some of it")]
#[path = "../support/needs.rs"]
mod needs;
#[path = "../support/test_env.rs"]
mod test_env;
mod fixtures;
#[path = "../support/upstream.rs"]
mod upstream;
#[path = "../support/wait.rs"]
mod wait;

mod bad_input;
mod credentials;
mod environment;
mod final_check;
mod from_upstream;
mod git_cache;
mod hostile_tree;
mod interruption;
mod local_module;
mod local_sources;
mod patched_tree;
mod plan;
mod product;
mod programs;
mod rebuild;
mod reproducibility;
mod run_check;
mod sbom;
mod server;
mod parallel;
mod sources;
mod steps;
mod watch;
mod wrapper;
