//! Tests of `cargo xtask release check` on directories that were changed.

use crate::fake;
use crate::packages::expect_success;
use crate::release::{SOURCE_PACKAGE, VERSION, again, can_release, place_with_product, released};
use crate::test_env::failed;
use fs_err as fs;
use std::path::Path;
use std::process::Command;
use xtask::digest::Digest;
use xtask::images::manifest::ImagesManifest;
use xtask::product::manifest::FileEntry;
use xtask::release::Mode;

const PACKAGE: &str = "k3s-1.33.0+k3s1-1.oe2403.riscv64.rpm";
const PAUSE: &str = "k3s-pause-image-1.33.0+k3s1-1.oe2403.riscv64.rpm";
const CLI: &str = "k3s-cli-1.33.0+k3s1-1.oe2403.noarch.rpm";
const REPOSITORY: &str = "repository-oe2403-riscv64.tar";

/// A change of a directory, and what is said of it.
type Case<'a> = (&'a dyn Fn(&Path), &'a str);

/// Checks that each change of a release is found.
fn assert_found(cases: &[Case]) {
    let env = place_with_product(|_| {});
    let whole = released(&env, Mode::Release);
    let check = |directory: &Path| {
        failed(&env.xtask(["release".as_ref(), "check".as_ref(), directory]).output().unwrap())
    };
    let unchanged = check(&whole);
    for (number, (change, expected)) in cases.iter().enumerate() {
        let directory = env.path("changed").join(number.to_string());
        fs::create_dir_all(&directory).unwrap();
        xtask::dir::copy(&whole, &directory).unwrap();
        change(&directory);
        let said = check(&directory);
        assert!(said.contains(expected) && !unchanged.contains(expected), "{expected}: {said}");
    }
}

fn write(directory: &Path, name: &str) {
    fs::write(directory.join(name), "x").unwrap();
}

#[test]
fn finds_changed_checksums() {
    if !can_release("changed files") {
        return;
    }
    assert_found(&[
        (&|directory| write(directory, "k3s-riscv64"), "checksum mismatch for k3s-riscv64"),
        (
            &|directory| fs::remove_file(directory.join(PACKAGE)).unwrap(),
            &format!("{PACKAGE} is missing, which SHA256SUMS names"),
        ),
        (&|directory| write(directory, "virus"), "SHA256SUMS does not name virus"),
        (&|directory| write(directory, "SHA256SUMS.old"), "SHA256SUMS does not name SHA256SUMS.old"),
        (&|directory| fs::create_dir(directory.join("repodata")).unwrap(), "repodata is no file"),
    ]);
}

/// With matching checksums, the directory's other records of its contents must still be correct.
#[test]
fn finds_changes_behind_checksums() {
    if !can_release("changed files with matching checksums") {
        return;
    }
    let copied = |directory: &Path, from: &str, to: &str| {
        fs::copy(directory.join(from), directory.join(to)).unwrap();
    };
    let cases: [Case; 15] = [
        (&|directory| write(directory, "k3s~1"), "GitHub would give k3s~1 another name"),
        (&|directory| write(directory, "virus"), "virus is no asset of a release"),
        (&|directory| write(directory, "k3s-riscv64"), "k3s-riscv64 is not the file that its manifest names"),
        (
            &|directory| {
                let sums = format!("{}  k3s-riscv64\n", Digest::of("x"));
                fs::write(directory.join("sha256sum-riscv64.txt"), sums).unwrap();
            },
            "sha256sum-riscv64.txt and SHA256SUMS differ on k3s-riscv64",
        ),
        (&|directory| copied(directory, PAUSE, PACKAGE), "which should be called k3s-pause-image-1.33.0"),
        (
            &|directory| fs::remove_file(directory.join("images-riscv64-licenses.txt")).unwrap(),
            "images-riscv64-licenses.txt is missing",
        ),
        (
            &|directory| {
                fs::write(directory.join("k3s-images.txt"), "docker.io/rancher/other:1\n").unwrap();
            },
            "k3s-images.txt does not list the images that images-riscv64.json names",
        ),
        (&|directory| write(directory, fake::BUNDLE), "is not the bundle that images-riscv64.json names"),
        (
            &change_file_in_image,
            "it has other checksums for the file etc/version of carvicsforth/pause v3.10-v1.31.1",
        ),
        (&change_file_in_image, "comparing images-riscv64.spdx.json with"),
        (
            &|directory| fake::images(directory, "v1.33.1+k3s1"),
            "/usr/share/k3s/images/k3s-airgap-images.tar.zst of the package k3s-airgap-images-1.33.0",
        ),
        (
            &|directory| fake::images(directory, "v1.33.1+k3s1"),
            "is not the k3s-airgap-images-riscv64.tar.zst beside it",
        ),
        (
            &|directory| copied(directory, REPOSITORY, "repository-oe2409-riscv64.tar"),
            "the packages of repository-oe2409-riscv64.tar are not beside it",
        ),
        (
            &|directory| copied(directory, "k3s-riscv64", "k3s-arm64"),
            "k3s-arm64 is for arm64, of which there is no product",
        ),
        (
            &|directory| {
                let other = directory.join("k3s-1.33.0+k3s1-2.oe2403.src.rpm");
                fs::rename(directory.join(SOURCE_PACKAGE), other).unwrap();
            },
            &format!("which should be called {SOURCE_PACKAGE}"),
        ),
    ];
    let summed = cases.map(|(change, expected)| {
        let change = move |directory: &Path| {
            change(directory);
            again(directory);
        };
        (change, expected)
    });
    let cases: Vec<Case> = summed.iter().map(|(change, expected)| (change as _, *expected)).collect();
    assert_found(&cases);
}

/// Changes the digest of a file in an image, and the records of it.
fn change_file_in_image(directory: &Path) {
    let (path, manifest) = (directory.join(fake::IMAGES_SBOM), directory.join("images-riscv64.json"));
    let text = fs::read_to_string(&path).unwrap();
    let other = text.replace(Digest::of(VERSION).as_str(), Digest::of("other").as_str());
    fs::write(&path, other).unwrap();
    let mut images = ImagesManifest::read(&manifest).unwrap();
    images.files.insert(fake::IMAGES_SBOM.to_owned(), FileEntry::of(&path).unwrap());
    fs::write(manifest, serde_json::to_string(&images).unwrap()).unwrap();
}

#[test]
fn finds_changes_of_the_repository() {
    if !can_release("a changed repository") {
        return;
    }
    let earlier = "k3s-1.32.0+k3s1-1.oe2403.riscv64.rpm";
    let cases = [
        (format!("cp riscv64/{PAUSE} riscv64/{PACKAGE}"), format!("{PACKAGE} is not the one beside it")),
        (
            format!("cp riscv64/{PAUSE} riscv64/{earlier}"),
            format!("{earlier} is not beside it, and of no earlier"),
        ),
        ("echo >riscv64/virus".to_owned(), "riscv64/virus is no file of a repository".to_owned()),
        (
            "ln -s /etc riscv64/repodata/link".to_owned(),
            "riscv64/repodata/link is neither a file nor a directory".to_owned(),
        ),
        ("rm -r riscv64/repodata".to_owned(), "it has no repodata/repomd.xml".to_owned()),
        (format!("rm riscv64/{CLI}"), format!("{CLI} is missing in it")),
        (
            format!("rm {CLI} riscv64/{CLI}"),
            "the package k3s-cli-1.33.0+k3s1-1.oe2403.noarch is missing".to_owned(),
        ),
    ];
    let repacked = cases.map(|(command, expected)| {
        let change = move |directory: &Path| {
            let line = format!("tar -x -f $0; {command}; rm $0; tar -c -f $0 riscv64; rm -r riscv64");
            let mut shell = Command::new("sh");
            shell.args(["-e", "-c", &line, REPOSITORY]).current_dir(directory);
            expect_success(shell.output().unwrap());
            again(directory);
        };
        (change, expected)
    });
    let cases: Vec<Case> = repacked.iter().map(|(change, expected)| (change as _, &**expected)).collect();
    assert_found(&cases);
}
