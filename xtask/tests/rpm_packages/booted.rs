//! Tests that only what was booted is published.

use crate::release::{VERSION, again, can_release, place_with_product, released, released_as};
use crate::test_env::{self, TestEnv, failed};
use fs_err as fs;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use xtask::boot::guest::About;
use xtask::boot::results::{RESULTS, Results};
use xtask::boot::run::Machine;
use xtask::boot::watch::{Outcome, Reached};
use xtask::release::{Mode, booted};

/// Returns the results of a boot test in which all files of a release passed.
fn results(release: &Path) -> Value {
    let artifacts = booted::artifacts(&test_env::context().root, release).unwrap();
    let about = About { distribution: "Debian".into(), kernel: "6.12-test".into(), packages: vec![] };
    let mut results = Results::new(&artifacts, &about, &Machine::default().size);
    for scenario in booted::required(&artifacts) {
        let milestones = scenario.milestones().into_iter();
        let reached = |it: xtask::boot::milestone::Milestone| Reached {
            name: it.name,
            description: it.description,
            at: 90.0,
        };
        let outcome = Outcome { reached: milestones.map(reached).collect(), ..Outcome::default() };
        results.add(scenario, artifacts.digests(scenario).unwrap(), outcome);
    }
    serde_json::to_value(&results).unwrap()
}

/// Adds results to a release.
fn add(env: &TestEnv, release: &Path, results: &Value) -> Result<(), String> {
    let directory = env.path("results");
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join(RESULTS), results.to_string()).unwrap();
    let output =
        env.xtask([Path::new("release"), Path::new("add-boot"), release, &directory]).output().unwrap();
    if output.status.success() { Ok(()) } else { Err(failed(&output)) }
}

/// Makes a release that may be published, of the first build.
pub fn booted_release(env: &TestEnv) -> PathBuf {
    booted_release_of(env, 1)
}

/// Makes a release that may be published, of a build.
pub fn booted_release_of(env: &TestEnv, release: u32) -> PathBuf {
    let directory = released_as(env, Mode::Release, release, 1);
    add(env, &directory, &results(&directory)).unwrap();
    directory
}

fn run(env: &TestEnv, action: &str, release: &Path) -> std::process::Output {
    env.xtask([Path::new("release"), Path::new(action), release]).output().unwrap()
}

#[test]
fn refuses_files_that_were_not_booted() {
    if !can_release("files that were not booted") {
        return;
    }
    let env = place_with_product(|_| {});
    let directory = released(&env, Mode::Release);
    for action in ["check", "upload"] {
        let said = failed(&run(&env, action, &directory));
        assert!(
            said.contains("\n- riscv64: nothing was booted, since there is no boot.json: cargo xtask boot"),
            "{said}"
        );
    }
    assert!(fs::read_to_string(directory.join("NOTES.md")).unwrap().contains("\nNothing here was booted.\n"));
}

#[test]
fn booted_release_names_its_scenarios() {
    if !can_release("a booted release") {
        return;
    }
    let env = place_with_product(|_| {});
    let directory = booted_release(&env);
    let output = run(&env, "check", &directory);
    assert!(output.status.success(), "{}", failed(&output));
    let notes = fs::read_to_string(directory.join("NOTES.md")).unwrap();
    for words in [
        "(QEMU) with the kernel 6.12-test;",
        "\n| packages | ",
        "\n| alone | ",
        "\n| install-script | ",
        "\n| default-node | ",
        " | 90 |\n",
    ] {
        assert!(notes.contains(words), "{words}: {notes}");
    }
    let sums = fs::read_to_string(directory.join("SHA256SUMS")).unwrap();
    assert!(sums.contains("  boot.json\n"), "{sums}");
}

#[test]
fn release_is_for_several_releases_of_openeuler() {
    if !can_release("packages for two releases of openEuler") {
        return;
    }
    let env = place_with_product(|_| {});
    let directory = released_as(&env, Mode::Release, 1, 2);
    let results = results(&directory);
    let packages = results["scenarios"][0]["files"].as_object().unwrap();
    assert!(packages.keys().all(|name| name.contains("-1.oe2403.")), "{packages:?}");
    assert!(results["derived"]["k3s-1.33.0+k3s1-1.oe2403sp1.riscv64.rpm"].is_string(), "{results}");
    assert!(results["derived"]["repository-oe2403sp1-riscv64.tar"].is_string(), "{results}");
    add(&env, &directory, &results).unwrap();
    let output = run(&env, "check", &directory);
    assert!(output.status.success(), "{}", failed(&output));
    let notes = fs::read_to_string(directory.join("NOTES.md")).unwrap();
    for words in [
        "\nOn openEuler 24.03 LTS, from",
        "\nOn openEuler 24.03 LTS SP1, from",
        "-f repository-oe2403sp1-riscv64.tar\n",
    ] {
        assert!(notes.contains(words), "{words}: {notes}");
    }
    fs::remove_file(directory.join("repository-oe2403sp1-riscv64.tar")).unwrap();
    again(&directory);
    let said = failed(&run(&env, "check", &directory));
    assert!(said.contains("repository-oe2403sp1-riscv64.tar is missing"), "{said}");
}

#[test]
fn every_file_is_the_one_that_was_booted() {
    if !can_release("the files that were booted") {
        return;
    }
    let env = place_with_product(|_| {});
    let directory = released(&env, Mode::Release);
    let whole = results(&directory);
    let said = |results: &Value| {
        add(&env, &directory, results).unwrap();
        failed(&run(&env, "check", &directory))
    };
    let other = json!("0".repeat(64));
    let derived: Vec<&String> = whole["derived"].as_object().unwrap().keys().collect();
    assert_eq!(
        derived,
        [
            "check-config.sh",
            "images-riscv64.spdx.json",
            "k3s-check",
            "k3s-riscv64.spdx.json",
            "pause-image-for-installed-k3s-riscv64.tar",
            "pause-image-riscv64.tar",
            "repository-oe2403-riscv64.tar",
            "sha256sum-riscv64.txt",
        ]
    );
    for name in derived {
        let mut changed = whole.clone();
        changed["derived"][name] = other.clone();
        let said = said(&changed);
        assert!(said.contains(&format!("\n- riscv64: {name} is in no scenario that has passed")), "{said}");
    }
    for (at, scenario) in whole["scenarios"].as_array().unwrap().iter().enumerate() {
        let name = scenario["name"].as_str().unwrap();
        let expected = format!("\n- riscv64: the scenario {name} has not passed with these files");
        for file in scenario["files"].as_object().unwrap().keys() {
            let mut changed = whole.clone();
            changed["scenarios"][at]["files"][file] = other.clone();
            assert!(said(&changed).contains(&expected), "{name}, {file}");
        }
        let mut missing = whole.clone();
        missing["scenarios"].as_array_mut().unwrap().remove(at);
        let said = said(&missing);
        assert!(said.contains(&expected), "{name}: {said}");
    }
}

#[test]
fn failed_or_short_scenario_counts_for_nothing() {
    if !can_release("scenarios that failed") {
        return;
    }
    let env = place_with_product(|_| {});
    let directory = released(&env, Mode::Release);
    let whole = results(&directory);
    let mut failed_scenario = whole.clone();
    failed_scenario["scenarios"][0]["failure"] = json!({"milestone": "node"});
    let mut early = whole.clone();
    early["scenarios"][0]["reached"].as_array_mut().unwrap().pop();
    let mut of_nothing = whole.clone();
    of_nothing["scenarios"][0]["files"] = json!({});
    for changed in [failed_scenario, early, of_nothing] {
        add(&env, &directory, &changed).unwrap();
        let said = failed(&run(&env, "check", &directory));
        assert!(
            said.contains("\n- riscv64: the scenario packages has not passed with these files"),
            "{said}"
        );
    }
    let mut other = whole;
    other["k3s"] = json!("v1.33.1+k3s1");
    add(&env, &directory, &other).unwrap();
    let said = failed(&run(&env, "check", &directory));
    assert!(said.contains(&format!("boot.json has results of k3s v1.33.1+k3s1, not of {VERSION}")), "{said}");
    let said = add(&env, &directory, &json!({"k3s": VERSION})).unwrap_err();
    assert!(said.contains("these results are not of this version of cargo xtask boot"), "{said}");
}
