//! The sample, proved.

use crate::machine;
use crate::place::Place;
use fs_err as fs;
use serde_json::Value;

#[test]
fn the_sample_is_installed_started_and_removed_and_its_pause_holds_a_container() {
    let Some(_turn) = machine::turn("the sample on a booted machine") else { return };
    let mut place = Place::new();
    let elsewhere = machine::elsewhere(&mut place);
    let told = place.succeeds(["boot", "--sample", "--memory", "2G"]);
    let folder = place.dist().join("v0.35.0+k3s1.sample/boot");
    assert!(told.contains("pause-rss") && told.contains(folder.to_str().unwrap()), "{told}");

    let record: Value = serde_json::from_slice(&fs::read(folder.join("boot.json")).unwrap()).unwrap();
    let proof = &record["proofs"][0];
    let reached: Vec<&str> = proof["reached"]
        .as_array()
        .unwrap()
        .iter()
        .map(|reached| reached["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        reached,
        ["kernel", "systemd", "packages", "units", "containerd", "pause", "orphans", "sigterm", "removed"]
    );
    assert_eq!(proof["failure"], Value::Null);
    let facts: Vec<&str> =
        proof["facts"].as_array().unwrap().iter().map(|fact| fact[0].as_str().unwrap()).collect();
    assert_eq!(facts, ["image", "pause-rss", "sigterm-seconds"]);
    assert_eq!(proof["facts"][0][1], "docker.io/carvicsforth/pause:v3.10-v1.31.1");
    assert!(!proof["memory"].as_array().unwrap().is_empty(), "nothing was heard of the memory");

    let console = fs::read_to_string(folder.join("console-sample.log")).unwrap();
    assert!(console.contains("Linux version"), "{console}");
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    assert!(page.contains("its orphans are reaped") && page.contains("memory in use, sample"), "{page}");

    // The record is all that is left, and the guest, which is not written to.
    let left: Vec<_> = fs::read_dir(place.work().join("boot")).unwrap().collect();
    assert_eq!(left.len(), 1, "only the claim stays: {left:?}");
    assert_eq!(machine::running_below(&place.path("target")), [0; 0]);
    assert_eq!(machine::files_in(&elsewhere), [""; 0], "something was left outside of target/");
}
