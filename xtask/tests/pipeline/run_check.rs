//! Tests of the check that runs a product, with executables that misbehave.

use super::fixtures;
use super::test_env::{self, TestEnv};
use std::os::unix::fs::PermissionsExt;
use xtask::k3s::Build;
use xtask::product::component::Component;
use xtask::product::run;
use xtask::sample::{self, Layout};

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

/// Returns the components that are run, each with the script that stands for it.
fn programs(build: &Build, k3s: K3s) -> [(Component, String); 4] {
    let runc = format!("echo libseccomp: {}", build.context.pins.libseccomp.version);
    [
        (Component::Binary, k3s.script()),
        (Component::Runc, runc),
        (Component::Shim, format!("echo go{}", build.go.version)),
        (Component::Pause, "echo pause.c".to_owned()),
    ]
}

/// Returns the findings of the check, or its error.
fn verdict(build: &Build, programs: &[(Component, String); 4]) -> Result<Vec<String>, String> {
    let directory = tempfile::tempdir_in(&build.context.work).unwrap();
    let write = |(component, script): &(Component, String)| {
        let path = directory.path().join(component.file(build.target));
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        (*component, path)
    };
    match run::all(build, &programs.iter().map(write).collect(), &build.context.work) {
        Ok(checks) => Ok(checks.into_iter().map(|check| check.what).collect()),
        Err(error) => Err(format!("{error:#}")),
    }
}

#[test]
fn programs_must_run_and_start_a_server() {
    let env = TestEnv::new();
    let selection = sample::prepare(env.context(), Layout::Embed).unwrap();
    let build = fixtures::prepare(&selection, fixtures::host().go, None);
    let version = build.source.version.to_string();
    let start = format!("Starting k3s {version}");
    let right = K3s { version: &version, directory: "sum", start: &start };
    let checks = verdict(&build, &programs(&build, right)).unwrap();
    assert_eq!(checks.len(), 6, "{checks:?}");

    for index in 0..4 {
        let mut programs = programs(&build, right);
        let name = programs[index].0.file(build.target);
        programs[index].1 = "echo another".to_owned();
        let message = verdict(&build, &programs).unwrap_err();
        assert!(
            message.starts_with(&name) && message.contains("does not print") && message.ends_with("another"),
            "{message}"
        );
        programs[index].1 = "exit 3".to_owned();
        let message = verdict(&build, &programs).unwrap_err();
        assert!(message.contains(&format!("running {name}")) && message.contains("status 3"), "{message}");
    }

    let unfinished = K3s { directory: "sum-tmp", ..right };
    let message = verdict(&build, &programs(&build, unfinished)).unwrap_err();
    assert!(message.contains("nothing was unpacked"), "{message}");

    if xtask::userns::are_allowed(&test_env::context()).unwrap() {
        let other = K3s { start: "Stopping k3s", ..right };
        let message = verdict(&build, &programs(&build, other)).unwrap_err();
        assert!(
            message.contains("the server did not print") && message.ends_with("Stopping k3s\n"),
            "{message}"
        );
    }
}
