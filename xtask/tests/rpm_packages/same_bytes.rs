//! The same product gives the same packages, whoever makes them, where and when.

use crate::fake;
use crate::lab::{CREATEREPO, can_build};
use crate::needs;
use crate::place::{Place, succeeded};
use fs_err as fs;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use xtask::digest::Digest;

const ELSEWHERE: [(&str, &str); 2] = [("faketime", "faketime"), ("unshare", "util-linux")];

/// Every file of a repository, with its digest, mode and time.
pub fn files(folder: &Path) -> BTreeMap<String, (Digest, u32, std::time::SystemTime)> {
    let entries = walkdir::WalkDir::new(folder).into_iter().map(Result::unwrap);
    let entries = entries.filter(|entry| entry.file_type().is_file());
    entries
        .map(|entry| {
            let name = entry.path().strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            let data = entry.metadata().unwrap();
            let digest = Digest::of_file(entry.path()).unwrap();
            (name, (digest, data.permissions().mode(), data.modified().unwrap()))
        })
        .collect()
}

/// Settings that a machine's administrator may have made for all who use rpm there.
const SITE_MACROS: &str = "%packager Site\n%bugurl https://site.example\n%distribution Site\n\
    %_builddir /nonexistent/build\n%_rpmdir /nonexistent/packages\n%_srcrpmdir /nonexistent/sources\n\
    %_rpmfilename %%{NAME}.rpm\n%_binary_filedigest_algorithm 10\n%_source_filedigest_algorithm 10\n\
    %_binary_payload w1.gzdio\n%__os_install_post /bin/false\n";

/// A directory from which rpm reads the machine's macros by default.
fn site_directory() -> &'static str {
    let read = ["/etc/rpm", "/usr/lib/rpm/macros.d"];
    read.into_iter().find(|path| Path::new(path).is_dir()).expect("rpm reads macros of the machine's")
}

#[test]
fn packages_and_metadata_are_bit_identical_under_another_path_user_mask_language_and_time() {
    if !can_build("whether packages are reproducible")
        || !needs::programs("whether packages are reproducible", &[CREATEREPO])
        || !needs::programs("whether packages are reproducible elsewhere", &ELSEWHERE)
    {
        return;
    }
    let (here, mut there) = (Place::new(), Place::named("quite \"another\" place (it's %41;&$#,:目录) "));
    fake::product(&here.path("product"), "v1.33.0+k3s1");
    let product = here.path("product");
    let arguments = ["rpm", "--product", product.to_str().unwrap()];
    here.succeeds(arguments);

    let site = there.path("macros.site");
    fs::write(&site, SITE_MACROS).unwrap();
    // rpmbuild and createrepo_c see another day, which the environment of xtask's children would not carry, and
    // a machine with macros of its own.
    for name in ["rpmbuild", "rpmspec", "createrepo_c"] {
        let real = xtask::process::find(name).unwrap();
        let script = format!(
            "export SITE='{}'\nexec unshare --map-root-user --mount sh -c '\n\
             mount -t tmpfs tmpfs {macros} && cp \"$SITE\" {macros}/ || exit 99\n\
             NO_FAKE_STAT=1 exec faketime \"2031-05-06 07:08:09\" {} \"$@\"' sh \"$@\"",
            site.display().to_string().replace('\'', r"'\''"),
            real.display(),
            macros = site_directory(),
        );
        there.put_program(name, &script);
    }
    let home = there.path("home");
    fs::create_dir_all(&home).unwrap();
    fs::write(home.join(".rpmmacros"), "%packager Somebody Else\n%_binary_payload w1.gzdio\n").unwrap();
    there.set("HOME", home);
    there.set("LC_ALL", "tr_TR.UTF-8");
    there.set("TZ", "Asia/Shanghai");
    let somebody = [
        "unshare",
        "--user",
        "--map-user=1234",
        "--map-group=1234",
        "sh",
        "-c",
        "umask 077; exec \"$@\"",
        "sh",
    ];
    succeeded(there.under(somebody, arguments).output().unwrap());

    let repository = "v1.33.0+k3s1/rpm/oe2403/riscv64";
    let (here, there) = (files(&here.dist().join(repository)), files(&there.dist().join(repository)));
    assert!(here.len() > 6, "three packages, the .repo file and metadata: {here:?}");
    assert_eq!(here, there);
}
