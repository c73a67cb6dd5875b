//! Test of the script that runs the bare commands of `cargo xtask bench build`.

use fs_err as fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

const BARE: &str = include_str!("../benches/measure/bare.sh");

#[test]
fn runs_the_commands_of_the_plan() {
    let directory = tempfile::tempdir().unwrap();
    let (logs, modules) = (directory.path().join("logs"), directory.path().join("mod"));
    let (module, go) = (modules.join("github.com/!runc@v1"), directory.path().join("go"));
    fs::create_dir_all(&logs).unwrap();
    fs::create_dir_all(&module).unwrap();
    let record = "#!/bin/sh\nprintf '<%s>' \"$PWD\" \"$CC\" \"$GOMODCACHE\" \"$@\"\n";
    fs::write(&go, record).unwrap();
    fs::set_permissions(&go, PermissionsExt::from_mode(0o755)).unwrap();
    let log = format!("$ {} build -o x\n  in /an/alias/link\ngo: downloading\n", go.display());
    for step in ["runc", "program-x"] {
        fs::write(logs.join(step).with_extension("log"), &log).unwrap();
    }
    let plan = "libseccomp\n    zig 1.2 cc\nrunc  after libseccomp\n    module github.com/Runc v1\n    CC=zig cc -target t\n    \
                 go1.25.5 build -trimpath -tags a,b -ldflags -buildid= -extldflags '-static' ./cmd\n\
                 wrapper\n    go1.25.5 build -trimpath -ldflags -w ./cmd/k3s\n\
                 program-x\n    module github.com/Runc v1 h1:sum\n    \
                 go1.25.5 build -trimpath -tags  -ldflags -buildid=  .\n";
    let mut bash = Command::new("bash");
    bash.args(["-c", BARE, "bare.sh"])
        .arg(directory.path())
        .arg(directory.path().join("cache"))
        .arg(&modules)
        .arg(plan);
    let found = bash.output().unwrap();
    assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
    let expected = format!(
        "<{}><zig cc -target t><{}><build><-mod=readonly><-o><{}><-trimpath><-tags><a,b>\
         <-ldflags><-buildid= -extldflags '-static'><./cmd>\
         <{}><><{}><build><-mod=readonly><-o><{}><-trimpath><-ldflags><-buildid= ><.>",
        module.display(),
        modules.display(),
        directory.path().join("bare/runc").display(),
        module.display(),
        modules.display(),
        directory.path().join("bare/program-x").display()
    );
    assert_eq!(String::from_utf8_lossy(&found.stdout), expected);
}
