//! The sources of Debian's packages in the images, from Debian's archive.

use crate::bundle::BUILT;
use crate::test_env::TestEnv;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Command;
use xtask::context::{Context, Network};
use xtask::digest::Digest;
use xtask::fetch::Download;
use xtask::images::manifest::ImagesManifest;
use xtask::images::sources;
use xtask::target::Target;

fn write(context: &Context, images: &ImagesManifest, archive: &Path) -> anyhow::Result<()> {
    sources::write(context, Target::named("riscv64").unwrap(), images, archive)
}

/// Returns every file of an archive, by its path.
fn contents(archive: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut archive = tar::Archive::new(fs::File::open(archive).unwrap());
    let read = |entry: std::io::Result<tar::Entry<fs::File>>| {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        (entry.path().unwrap().display().to_string(), bytes)
    };
    archive.entries().unwrap().map(read).collect()
}

/// Returns the files that a description names, with their checksums (dsc(5), `Checksums-Sha256`).
fn described(description: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8(description.to_vec()).unwrap();
    let lines = text.lines().skip_while(|line| *line != "Checksums-Sha256:").skip(1);
    let words = lines.take_while(|line| line.starts_with(' ')).map(str::split_whitespace);
    let words = words.map(Iterator::collect::<Vec<_>>);
    words.map(|words| (words[2].to_owned(), words[0].to_owned())).collect()
}

#[test]
fn archive_has_the_complete_sources() {
    let (env, directory) = &*BUILT;
    let images = ImagesManifest::read(&directory.join("images-riscv64.json")).unwrap();
    let archives = ["one.tar", "other.tar"].map(|name| env.path(name));
    write(&env.context(), &images, &archives[0]).unwrap();
    sources::check(&archives[0], &images).unwrap();
    let contents = contents(&archives[0]);
    let names: Vec<&str> = contents.keys().map(|path| path.rsplit('/').next().unwrap()).collect();
    let package = |name: &&str| name.starts_with("busybox-static_1.") && name.ends_with("_riscv64.deb");
    assert_eq!(names.iter().filter(|name| package(name)).count(), 1, "{names:?}");
    // busybox is linked with glibc.
    for source in ["busybox", "glibc"] {
        let description = contents.iter().find(|(path, _)| {
            path.starts_with(&format!("images-riscv64-sources/{source}_")) && path.ends_with(".dsc")
        });
        let files = described(description.unwrap_or_else(|| panic!("{source} is not in {names:?}")).1);
        assert!(files.len() >= 2, "{files:?}");
        for (name, sha256) in files {
            let found = Digest::of(&contents[&format!("images-riscv64-sources/{name}")]);
            assert_eq!(found.as_str(), sha256, "{name}");
        }
    }
    let offline = Context { network: Network::Forbidden, ..env.context() };
    write(&offline, &images, &archives[1]).unwrap();
    let digests = archives.map(|archive| Digest::of_file(&archive).unwrap());
    assert_eq!(digests[0], digests[1], "from the cache, the same bytes");
}

#[test]
fn vanished_source_names_bump() {
    let env = TestEnv::new();
    let context = env.context();
    let package = env.path("package");
    fs::create_dir_all(package.join("DEBIAN")).unwrap();
    let control = "Package: busybox-static\nSource: busybox (1:0-1)\nVersion: 1:0-1+b1\nArchitecture: riscv64\n\
                   Maintainer: a test <a@example.org>\nDescription: of a version that no archive has\n";
    fs::write(package.join("DEBIAN/control"), control).unwrap();
    let file = env.path("busybox-static_0-1+b1_riscv64.deb");
    let mut build = Command::new("dpkg-deb");
    build.args(["--build", "--root-owner-group"]).arg(&package).arg(&file).env("SOURCE_DATE_EPOCH", "0");
    assert!(build.output().unwrap().status.success());
    let sha256 = Digest::of_file(&file).unwrap();
    let path = "pool/main/b/busybox/busybox-static_0-1%2bb1_riscv64.deb";
    let name = path.rsplit('/').next().unwrap().parse().unwrap();
    Download { name, url: String::new(), sha256: sha256.clone() }.take(&context, &file).unwrap();
    let image = json!({
        "reference": "a:1", "id": "", "version": "", "substitute": false, "left_out": null, "module": null,
        "modules": [], "debian": [{"file": path, "sha256": sha256}],
    });
    let images = json!({
        "k3s": "", "arch": "riscv64", "pause": [], "images": [image], "licenses": [], "files": {},
    });
    let images = serde_json::from_value(images).unwrap();
    let error = format!("{:#}", write(&context, &images, &env.path("sources.tar")).unwrap_err());
    assert!(error.contains("cargo xtask bump --debian busybox-static"), "{error}");
    assert!(error.contains("busybox=1:0-1"), "{error}");
}
