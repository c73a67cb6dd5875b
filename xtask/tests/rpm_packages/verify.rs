//! Tests of `cargo xtask verify`: the release of a stranger, in a directory or at a URL.

use crate::booted::booted_release;
use crate::release::{again, can_release, place_with_product, released};
use crate::test_env::{TestEnv, failed};
use fs_err as fs;
use std::path::{Path, PathBuf};
use xtask::release::{Mode, verify};
use xtask::url::file_url;

fn run(env: &TestEnv, release: &str) -> Result<String, String> {
    let output = env.xtask(["verify", release]).output().unwrap();
    if output.status.success() { Ok(String::from_utf8(output.stdout).unwrap()) } else { Err(failed(&output)) }
}

/// Returns a copy of a release, in which one byte of a file is another: in a record of digests, or else in the middle.
fn tampered(env: &TestEnv, release: &Path, name: &str) -> PathBuf {
    let copy = env.path("tampered").join(name);
    fs::create_dir_all(&copy).unwrap();
    xtask::dir::copy(release, &copy).unwrap();
    let mut bytes = fs::read(copy.join(name)).unwrap();
    let mut digests = bytes.windows(64).enumerate().filter(|(_, it)| it.iter().all(u8::is_ascii_hexdigit));
    let at = match name {
        "boot.json" => digests.next().unwrap().0,
        // The one of a file; those before are of patches, which are not among the assets.
        "manifest-riscv64.json" => digests.next_back().unwrap().0,
        // The middle of a small package is unused space, for signatures.
        _ if name.ends_with(".rpm") => bytes.len() - 1,
        _ => bytes.len() / 2,
    };
    bytes[at] ^= 1;
    fs::write(copy.join(name), bytes).unwrap();
    copy
}

#[test]
fn one_byte_of_any_asset_is_noticed() {
    if !can_release("a release that was tampered with") {
        return;
    }
    let env = place_with_product(|_| {});
    let release = booted_release(&env);
    // The lockfile and commit of this repository are no part of it.
    fs::write(env.path("k3s.lock.json"), "{}").unwrap();
    let said = run(&env, release.to_str().unwrap()).unwrap();
    for words in [
        "v1.33.0+k3s1\n",
        " files have the checksums in SHA256SUMS\n",
        "  nothing is signed\n",
        "  boot.json has a passed boot test of every file for riscv64\n",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let mut unnoticed = Vec::new();
    // In this process, since it is done so often.
    let context = env.context();
    let verified = |copy: &Path| verify::directory(&context, copy, None).map(drop);
    for entry in fs::read_dir(&release).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let copy = tampered(&env, &release, &name);
        let said = verified(&copy).unwrap_err().to_string();
        if name != "SHA256SUMS" {
            let expected = format!("checksum mismatch for {name} (listed in SHA256SUMS)");
            assert_eq!(said, expected);
            again(&copy);
            unnoticed.extend(verified(&copy).is_ok().then_some(name));
        }
        fs::remove_dir_all(&copy).unwrap();
    }
    unnoticed.sort();
    assert_eq!(unnoticed, IN_CHECKSUMS_ALONE, "with new checksums");
}

/// Files of which no record but `SHA256SUMS` has a digest.
const IN_CHECKSUMS_ALONE: [&str; 4] =
    ["NOTES.md", "images-riscv64-licenses.txt", "images-riscv64-sources.tar", "images-riscv64.cdx.json"];

#[test]
fn release_is_downloaded_before_it_is_verified() {
    if !can_release("a release at a URL") {
        return;
    }
    let env = place_with_product(|_| {});
    let release = booted_release(&env);
    let said = run(&env, &file_url(&release)).unwrap();
    assert!(said.contains(" files have the checksums"), "{said}");

    let sums = release.join("SHA256SUMS");
    let text = fs::read_to_string(&sums).unwrap();
    fs::write(release.join("LICENSE"), "another").unwrap();
    let said = run(&env, &file_url(&release)).unwrap_err();
    assert!(said.contains("LICENSE from ") && said.contains("has another checksum than expected"), "{said}");
    fs::write(&sums, text.replace("LICENSE", "virus")).unwrap();
    let said = run(&env, &file_url(&release)).unwrap_err();
    assert!(said.contains("virus is no asset of a release"), "{said}");
    fs::write(&sums, "<html>").unwrap();
    let said = run(&env, &file_url(&release)).unwrap_err();
    assert!(said.contains("is not SHA256SUMS") && said.contains("web page"), "{said}");
}

#[test]
fn preview_says_what_it_is_not() {
    if !can_release("a preview that is verified") {
        return;
    }
    let env = place_with_product(|_| {});
    let said = run(&env, released(&env, Mode::Preview).to_str().unwrap()).unwrap();
    assert!(said.contains("This is a preview") && said.contains("- riscv64: nothing was booted"), "{said}");
    let said = run(&env, released(&env, Mode::Release).to_str().unwrap()).unwrap_err();
    assert!(said.contains("files were not booted, or not these:\n- riscv64: nothing was booted"), "{said}");
}
