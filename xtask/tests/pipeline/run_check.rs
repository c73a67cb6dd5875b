//! Tests of the check that runs a product, with executables that misbehave.

use super::place::{self, Place};
use super::shop;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use xtask::k3s::Build;
use xtask::product::run;
use xtask::sample::{self, Layout};
use xtask::step::{Plan, Step};

/// A k3s that prints this version, unpacks itself into a directory of this name, and starts with these messages.
#[derive(Clone, Copy)]
struct K3s<'a> {
    version: &'a str,
    directory: &'a str,
    start: &'a str,
}

impl K3s<'_> {
    fn script(&self) -> String {
        let K3s { version, directory, start } = self;
        format!(
            "case $1 in\n--version) echo {version} ;;\nserver) echo {start} ;;\n\
             kubectl) mkdir -p $K3S_DATA_DIR/data/{directory}/bin; cp $0 $K3S_DATA_DIR/data/{directory}/bin/k3s ;;\nesac"
        )
    }
}

/// Returns the executables that are run: the step that builds each, its name, and its script.
fn programs(build: &Build, k3s: K3s) -> [(&'static str, String, String); 4] {
    let runc = format!("echo libseccomp: {}", build.context.pins.libseccomp.version);
    [
        ("binary", build.target.k3s_binary(), k3s.script()),
        ("runc", "runc".to_owned(), runc),
        ("shim", "containerd-shim-runc-v2".to_owned(), format!("echo go{}", build.go.version)),
        ("pause", "pause".to_owned(), "echo pause.c".to_owned()),
    ]
}

/// Returns the findings of the check, or its error.
fn verdict(build: &Build, programs: &[(&'static str, String, String); 4]) -> Result<Vec<String>, String> {
    let write = |(step, name, script): &(&'static str, String, String)| {
        let (name, script) = (name.clone(), format!("#!/bin/sh\n{script}\n"));
        Step {
            name: step,
            recipe: &[],
            needs: vec![],
            inputs: vec![script.clone()],
            run: Box::new(move |directory: &Path, _| {
                std::fs::write(directory.join(&name), &script)?;
                Ok(std::fs::set_permissions(directory.join(&name), PermissionsExt::from_mode(0o755))?)
            }),
        }
    };
    let plan = Plan::new(programs.iter().map(write).collect()).unwrap();
    let (outputs, _) = plan.run(build.context, &build.context.work.join("scripts")).unwrap();
    match run::all(build, &outputs, &build.context.work) {
        Ok(checks) => Ok(checks.into_iter().map(|check| check.what).collect()),
        Err(error) => Err(format!("{error:#}")),
    }
}

#[test]
fn programs_must_run_and_start_a_server() {
    let place = Place::new();
    let selection = sample::prepare(place.context(), Layout::Embed).unwrap();
    let build = shop::prepare(&selection, shop::host().go, None);
    let version = build.source.version.to_string();
    let start = format!("Starting k3s {version}");
    let right = K3s { version: &version, directory: "sum", start: &start };
    let checks = verdict(&build, &programs(&build, right)).unwrap();
    assert_eq!(checks.len(), 6, "{checks:?}");

    for index in 0..4 {
        let mut programs = programs(&build, right);
        let name = programs[index].1.clone();
        programs[index].2 = "echo another".to_owned();
        let told = verdict(&build, &programs).unwrap_err();
        assert!(
            told.starts_with(&name) && told.contains("does not say") && told.ends_with("another"),
            "{told}"
        );
        programs[index].2 = "exit 3".to_owned();
        let told = verdict(&build, &programs).unwrap_err();
        assert!(told.contains(&format!("running {name}")) && told.contains("status 3"), "{told}");
    }

    let unfinished = K3s { directory: "sum-tmp", ..right };
    let told = verdict(&build, &programs(&build, unfinished)).unwrap_err();
    assert!(told.contains("nothing was unpacked"), "{told}");

    if xtask::userns::are_allowed(&place::context()).unwrap() {
        let other = K3s { start: "Stopping k3s", ..right };
        let told = verdict(&build, &programs(&build, other)).unwrap_err();
        assert!(told.contains("the server did not get to") && told.ends_with("Stopping k3s\n"), "{told}");
    }
}
