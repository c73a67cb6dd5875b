//! Tests that the same product gives the same packages, whatever the user, directory and time.

use crate::fake;
use crate::needs;
use crate::packages::{CREATEREPO, can_build};
use crate::site_macros;
use crate::test_env::{ODD_NAME, TestEnv, succeeded};
use fs_err as fs;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use xtask::digest::Digest;

const ELSEWHERE: [(&str, &str); 2] = [("faketime", "faketime"), ("unshare", "util-linux")];

/// Returns every file of a repository, with its digest, mode and time.
pub fn files(directory: &Path) -> BTreeMap<String, (Digest, u32, std::time::SystemTime)> {
    let entries = walkdir::WalkDir::new(directory).into_iter().map(Result::unwrap);
    let entries = entries.filter(|entry| entry.file_type().is_file());
    entries
        .map(|entry| {
            let name = entry.path().strip_prefix(directory).unwrap().to_str().unwrap().to_owned();
            let data = entry.metadata().unwrap();
            let digest = Digest::of_file(entry.path()).unwrap();
            (name, (digest, data.permissions().mode(), data.modified().unwrap()))
        })
        .collect()
}

#[test]
fn packages_are_bit_identical_in_another_environment() {
    if !can_build("whether packages are reproducible")
        || !needs::programs("whether packages are reproducible", &[CREATEREPO])
        || !needs::programs("whether packages are reproducible elsewhere", &ELSEWHERE)
    {
        return;
    }
    let (here, mut there) = (TestEnv::new(), TestEnv::named(ODD_NAME));
    fake::product(&here.path("product"), "v1.33.0+k3s1");
    let product = here.path("product");
    let arguments = ["rpm", "--product", product.to_str().unwrap()];
    here.succeeds(arguments);

    // rpmbuild and createrepo_c see another day, which the environment of xtask's child processes would not pass
    // on, and macros of a machine's own.
    for name in ["rpmbuild", "rpmspec", "createrepo_c"] {
        site_macros::put(&mut there, name, "env NO_FAKE_STAT=1 faketime \"2031-05-06 07:08:09\"");
    }
    let home = there.path("home");
    fs::create_dir_all(&home).unwrap();
    fs::write(home.join(".rpmmacros"), "%packager Another User\n%_binary_payload w1.gzdio\n").unwrap();
    there.set("HOME", home);
    there.set("LC_ALL", "tr_TR.UTF-8");
    there.set("TZ", "Asia/Shanghai");
    let other_user = [
        "unshare",
        "--user",
        "--map-user=1234",
        "--map-group=1234",
        "sh",
        "-c",
        "umask 077; exec \"$@\"",
        "sh",
    ];
    succeeded(there.under(other_user, arguments).output().unwrap());

    let repository = "v1.33.0+k3s1/rpm/oe2403/riscv64";
    let (here, there) = (files(&here.dist().join(repository)), files(&there.dist().join(repository)));
    assert!(here.len() > 6, "three packages, the .repo file and metadata: {here:?}");
    assert_eq!(here, there);
}
