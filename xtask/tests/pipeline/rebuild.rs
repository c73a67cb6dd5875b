//! Tests that a release is built again from its own records.

use super::fixtures;
use super::needs;
use super::test_env::{TestEnv, failed, succeeded};
use fs_err as fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use xtask::digest::Digest;
use xtask::product::manifest::{FileEntry, Manifest};
use xtask::product::sbom;
use xtask::spdx::ListedFile;
use xtask::upstream::release::Origin;

const BINARY: &str = "k3s-riscv64";

fn can_rebuild(what: &str) -> bool {
    needs::programs(what, &[("rpmbuild", "rpm"), ("createrepo_c", "createrepo-c")])
}

/// Makes the directory that is published of a product.
fn preview(env: &TestEnv, product: &Path) -> PathBuf {
    let release = ["release", "--preview", "--skip-boot", "--product"].map(Path::new);
    env.succeeds(release.into_iter().chain([product]));
    let manifest = Manifest::read(&product.join("manifest.json")).unwrap();
    env.dist().join(&manifest.k3s).join("preview")
}

/// Replaces a manifest, and the checksums of the files beside it.
fn describe(directory: &Path, name: &str, manifest: &Manifest) {
    fs::write(directory.join(name), manifest.text().unwrap()).unwrap();
    let sums = directory.join("SHA256SUMS");
    let names = fs::read_to_string(&sums).unwrap();
    let names = names.lines().map(|line| line.split_once("  ").unwrap().1);
    let line = |name| format!("{}  {name}\n", Digest::of_file(&directory.join(name)).unwrap());
    fs::write(sums, names.map(line).collect::<String>()).unwrap();
}

fn rebuild(env: &TestEnv, release: &Path) -> Output {
    let words = ["--offline", "verify", "--rebuild"].map(Path::new);
    env.xtask(words.into_iter().chain([release])).output().unwrap()
}

#[test]
fn release_is_built_again_from_its_records() {
    if !can_rebuild("a release that is built again") {
        return;
    }
    let env = TestEnv::new();
    let options = [
        "--sample-layout bindata --builtin-images all --substitute busybox=1.37.0 --charts none",
        "--pause-image host.example/me/pause:1 --releases https://host.example/me/k3s/releases",
    ];
    let options: Vec<&str> = options.iter().flat_map(|line| line.split(' ')).collect();
    let release = preview(&env, &fixtures::build(&env, &options).directory);
    let (said, printed) = succeeded(rebuild(&env, &release));
    // The first build has left the result of every step here, and none is used.
    assert!(
        ["server", "bundle", "product"].iter().all(|step| printed.contains(&format!("✓ {step} "))),
        "{printed}"
    );
    assert!(said.contains(" files are what was built again for riscv64\n"), "{said}");
    // No package and no executable is among the others.
    let others = "NOTES.md, PREVIEW, SHA256SUMS, k3s-root-sources.tar, repository-oe2403-riscv64.tar";
    assert!(said.contains(&format!("  not built again: {others}\n")), "{said}");
}

#[test]
fn one_changed_byte_is_found_by_a_rebuild() {
    if !can_rebuild("a release that was changed") {
        return;
    }
    let env = TestEnv::new();
    let (built, product) = (fixtures::product("embed", "riscv64"), env.path("product"));
    xtask::dir::copy(&built.directory, &product).unwrap();
    let (mut manifest, file) = (built.manifest.clone(), product.join(BINARY));
    let mut bytes = fs::read(&file).unwrap();
    // In the program and not in the bundle inside it, whose digest the manifest names, too.
    let at = bytes.len() - 1;
    let before = ListedFile::of(BINARY, &bytes);
    bytes[at] ^= 1;
    let after = ListedFile::of(BINARY, &bytes);
    fs::write(&file, bytes).unwrap();
    let materials = product.join(sbom::NAME);
    let text = fs::read_to_string(&materials).unwrap().replace(&before.sha1, &after.sha1);
    fs::write(&materials, text.replace(before.sha256.as_str(), after.sha256.as_str())).unwrap();
    for (name, path) in [(BINARY, &file), (sbom::NAME, &materials)] {
        manifest.files.insert(name.to_owned(), FileEntry::of(path).unwrap());
    }
    describe(&product, "manifest.json", &manifest);
    let release = preview(&env, &product);
    succeeded(env.xtask([Path::new("verify"), &release]).output().unwrap());
    let said = failed(&rebuild(&env, &release));
    for words in [
        format!("\n- {BINARY}: byte {at} of "),
        "\n- k3s-0.35.0+k3s1.sample-1.oe2403.riscv64.rpm: k3s-".to_owned(),
        "sha256 /usr/bin/k3s is ".to_owned(),
        format!("\n- manifest-riscv64.json: /files/{BINARY}/sha256 is "),
        "\n- k3s-riscv64.spdx.json: ".to_owned(),
    ] {
        assert!(said.contains(&words), "{words}: {said}");
    }
    assert!(said.contains("5 of "), "{said}");
}

#[test]
fn rebuild_refuses_what_cannot_be_the_same() {
    if !can_rebuild("a release that cannot be built again") {
        return;
    }
    type Change = fn(&mut Manifest);
    let refused: [(Change, &str); 5] = [
        (|it| it.code = Some(Digest::of("other")), "git checkout v0.35.0+k3s1.sample"),
        (|it| it.code = None, "its code has the digest (not recorded), and here it is "),
        (|it| it.commit = "a".repeat(40), " here, and the release was built from aaaaaaaa"),
        (|it| it.origin = Origin::Tree, "name a repository that has it: --source PATH|URL"),
        (
            |it| drop(it.tools.insert("go".into(), "1.0.0".into())),
            "\n- riscv64: it is another product than was selected: tool go: 1.0.0, not ",
        ),
    ];
    let (env, built) = (TestEnv::new(), fixtures::product("embed", "riscv64"));
    let release = preview(&env, &built.directory);
    for (change, said) in refused {
        let mut manifest = built.manifest.clone();
        change(&mut manifest);
        describe(&release, "manifest-riscv64.json", &manifest);
        let found = failed(&rebuild(&env, &release));
        assert!(found.contains(said), "{said}: {found}");
    }
}
