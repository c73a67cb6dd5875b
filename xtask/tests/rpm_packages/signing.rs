//! Tests of signatures: they are valid, and change nothing of what was built.

use crate::fake;
use crate::needs;
use crate::packages::{CREATEREPO, DNF, RPM, can_build, expect_success, file_name, ours};
use crate::root::{Root, can_install};
use crate::test_env::{TestEnv, failed, succeeded};
use fs_err as fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use xtask::rpm::read;

const SIGNING: [(&str, &str); 3] = [("rpmsign", "rpm"), ("gpg", "gnupg"), ("rpmkeys", "rpm")];

fn can_sign(what: &str) -> bool {
    can_build(what) && needs::programs(what, &[RPM, CREATEREPO]) && needs::programs(what, &SIGNING)
}

/// A key ring with one key, whose agent ends with it.
struct Ring {
    home: tempfile::TempDir,
}

const KEY: &str = "packager@example.org";

/// The key that .github/RELEASING.md gives to the workflow.
const WORKFLOW_KEY: &str = "k3s-riscv64";

impl Ring {
    fn new() -> Ring {
        let ring = Ring { home: tempfile::tempdir().unwrap() };
        let words = ["--batch", "--passphrase", "", "--quick-generate-key", KEY, "rsa3072", "sign", "never"];
        expect_success(ring.gpg(&words).output().unwrap());
        ring
    }

    /// Returns the ring of a job to which the workflow gives its key, as .github/RELEASING.md describes it.
    fn of_workflow() -> Ring {
        let text = fs::read_to_string(ours(".github/RELEASING.md")).unwrap();
        let [owner, job] = [(); 2].map(|()| Ring { home: tempfile::tempdir().unwrap() });
        let secret = owner.home.path().join("secret");
        fs::write(&secret, "").unwrap();
        for (ring, start) in [
            (&owner, "gpg --batch --passphrase ''"),
            (&owner, "gpg --armor --export-secret-keys "),
            (&job, "run: printenv SIGNING_KEY"),
        ] {
            let line = text.lines().map(str::trim).find(|line| line.starts_with(start)).unwrap();
            let mut sh = Command::new("sh");
            sh.arg("-ec").arg(format!(
                "gh() {{ cat >'{}'; }}\n{}",
                secret.display(),
                line.replace("run: ", "")
            ));
            sh.env("GNUPGHOME", ring.home.path()).env("SIGNING_KEY", fs::read_to_string(&secret).unwrap());
            expect_success(sh.output().unwrap());
        }
        job
    }

    fn gpg(&self, words: &[&str]) -> Command {
        let mut command = Command::new("gpg");
        command.env("GNUPGHOME", self.home.path()).args(words);
        command
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // It is no error if the agent has ended already.
        let _ = Command::new("gpgconf").env("GNUPGHOME", self.home.path()).args(["--kill", "all"]).output();
    }
}

/// Returns the repository that `cargo xtask rpm --product` writes, signed by a key of the ring or not at all.
fn repository(env: &mut TestEnv, signed: Option<&Ring>) -> PathBuf {
    fake::product(&env.path("product"), "v1.33.0+k3s1");
    let product = env.path("product");
    let mut arguments = vec!["rpm", "--product", product.to_str().unwrap()];
    if let Some(ring) = signed {
        arguments.extend(["--sign", KEY]);
        env.set("GNUPGHOME", ring.home.path());
    }
    env.succeeds(arguments);
    env.dist().join("v1.33.0+k3s1/rpm/oe2403/riscv64")
}

fn packages(directory: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rpm"))
        .collect();
    found.sort();
    found
}

#[test]
fn signing_keeps_header_and_payload() {
    if !can_sign("signatures") {
        return;
    }
    let ring = Ring::new();
    let (mut one, mut other) = (TestEnv::new(), TestEnv::new());
    let (plain, signed) = (repository(&mut one, None), repository(&mut other, Some(&ring)));
    let (plain, packages_signed) = (packages(&plain), packages(&signed));
    assert_eq!(packages_signed.len(), 4);
    for (one, other) in plain.iter().zip(&packages_signed) {
        assert_eq!(file_name(one), file_name(other));
        assert_ne!(fs::read(one).unwrap(), fs::read(other).unwrap());
        assert_eq!(read::header_digest(one).unwrap(), read::header_digest(other).unwrap());
        assert_eq!(read::read(one).unwrap(), read::read(other).unwrap());
    }

    let keys = tempfile::tempdir().unwrap();
    let rpmkeys = |words: &[&str]| {
        let mut command = Command::new("rpmkeys");
        command.arg("--dbpath").arg(keys.path()).args(words);
        command
    };
    let public = signed.join("RPM-GPG-KEY-k3s-riscv64");
    expect_success(rpmkeys(&["--import", public.to_str().unwrap()]).output().unwrap());
    for package in &packages_signed {
        let said = expect_success(rpmkeys(&["-Kv", package.to_str().unwrap()]).output().unwrap());
        assert!(said.contains("Signature") && !said.contains("NOKEY") && !said.contains("BAD"), "{said}");
    }
    let said =
        String::from_utf8(rpmkeys(&["-K", plain[0].to_str().unwrap()]).output().unwrap().stdout).unwrap();
    assert!(!said.contains("signatures"), "an unsigned package passes for a signed one: {said}");

    let metadata = signed.join("repodata/repomd.xml");
    let signature = signed.join("repodata/repomd.xml.asc");
    let verify = ["--verify", signature.to_str().unwrap(), metadata.to_str().unwrap()];
    assert!(expect_success(ring.gpg(&verify).output().unwrap()).contains("Good signature"));
}

#[test]
fn signed_repository_keeps_only_packages_of_its_key() {
    if !can_sign("earlier packages in a signed repository") {
        return;
    }
    let (mut env, ring) = (TestEnv::new(), Ring::new());
    let (product, earlier) = (env.path("newer"), env.path("earlier"));
    fake::product(&product, "v1.34.1+k3s1");
    fs::create_dir(&earlier).unwrap();
    for signed in [None, Some(&ring)] {
        let packages = repository(&mut env, signed);
        let mut tar = Command::new("tar");
        tar.arg("-C").arg(packages.parent().unwrap());
        tar.arg("-c").arg("-f").arg(earlier.join("repository-oe2403-riscv64.tar")).arg("riscv64");
        expect_success(tar.output().unwrap());
        env.set("GNUPGHOME", ring.home.path());
        let [product, earlier] = [&product, &earlier].map(|path| path.to_str().unwrap());
        let release = ["release", "--preview", "--skip-boot", "--product", product, "--earlier", earlier];
        let output = env.xtask(release.into_iter().chain(["--sign", KEY])).output().unwrap();
        match signed {
            None => {
                let said = failed(&output);
                assert!(said.contains("which dnf would refuse in a signed repository"), "{said}");
            }
            Some(_) => drop(succeeded(output)),
        }
    }
}

#[test]
fn dnf_checks_the_signatures_of_packages_and_metadata() {
    if !can_sign("a signed repository") || !can_install("a signed repository") {
        return;
    }
    if !needs::programs("a signed repository", &[DNF]) {
        return;
    }
    let ring = Ring::new();
    let (mut one, mut other) = (TestEnv::new(), TestEnv::new());
    let (unsigned, signed) = (repository(&mut one, None), repository(&mut other, Some(&ring)));
    let text = fs::read_to_string(signed.join("k3s-riscv64.repo")).unwrap();
    for line in
        ["gpgcheck=1", "repo_gpgcheck=1", "gpgkey=file:///srv/k3s-riscv64/$basearch/RPM-GPG-KEY-k3s-riscv64"]
    {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
    let root = Root::new();
    let env = root.path("/srv/k3s-riscv64/riscv64");
    fs::create_dir_all(&env).unwrap();
    xtask::dir::copy(&signed, &env).unwrap();
    let text = text.replace("file:///srv", &format!("file://{}", root.path("/srv").display()));
    root.write("/etc/yum.repos.d/k3s-riscv64.repo", &text);
    let install = || root.dnf(&["--refresh", "install", "k3s"]).output().unwrap();
    // First with a package that was replaced, its entry in the metadata included.
    let package = packages(&env).into_iter().find(|path| file_name(path).starts_with("k3s-1.")).unwrap();
    let genuine = fs::read(&package).unwrap();
    fs::copy(unsigned.join(file_name(&package)), &package).unwrap();
    let refused = install();
    assert!(!refused.status.success(), "{}", String::from_utf8_lossy(&refused.stdout));
    assert!(root.query("k3s").contains("not installed"));

    fs::write(&package, genuine).unwrap();
    expect_success(install());
    assert_eq!(root.query("k3s"), "k3s-1.33.0+k3s1-1.oe2403.riscv64");
}

#[test]
fn rejects_an_unusable_key_early() {
    if !can_sign("a key that cannot sign") {
        return;
    }
    let (ring, other) = (Ring::new(), Ring { home: tempfile::tempdir().unwrap() });
    // A ring with only the public half, as after an import.
    let public = expect_success(ring.gpg(&["--armor", "--export", KEY]).output().unwrap());
    let file = other.home.path().join("key.asc");
    fs::write(&file, public).unwrap();
    expect_success(other.gpg(&["--batch", "--import", file.to_str().unwrap()]).output().unwrap());
    for (ring, key, reason) in [
        (&ring, "unknown@example.org", "gpg knows no key \"unknown@example.org\""),
        (&other, KEY, "gpg cannot sign with the key \"packager@example.org\""),
    ] {
        let mut env = TestEnv::new();
        fake::product(&env.path("product"), "v1.33.0+k3s1");
        let product = env.path("product");
        env.set("GNUPGHOME", ring.home.path());
        let said = env.fails(["rpm", "--product", product.to_str().unwrap(), "--sign", key]);
        assert!(said.contains(reason), "{said}");
    }
}

#[test]
fn signed_release_has_its_key_and_signed_checksums() {
    if !can_sign("a signed release") {
        return;
    }
    let (mut env, ring) = (TestEnv::new(), Ring::of_workflow());
    env.set("GNUPGHOME", ring.home.path());
    fake::product(&env.path("product"), "v1.33.0+k3s1");
    let product = env.path("product").display().to_string();
    env.succeeds(["release", "--preview", "--skip-boot", "--product", &product, "--sign", WORKFLOW_KEY]);
    let directory = env.dist().join("v1.33.0+k3s1/preview");
    let stranger = tempfile::tempdir().unwrap();
    let gpg = |words: &[&str]| {
        let mut command = Command::new("gpg");
        command.current_dir(&directory).env("GNUPGHOME", stranger.path()).args(words).output().unwrap()
    };
    expect_success(gpg(&["--batch", "--import", "RPM-GPG-KEY-k3s-riscv64"]));
    expect_success(gpg(&["--batch", "--verify", "SHA256SUMS.asc", "SHA256SUMS"]));
    let notes = fs::read_to_string(directory.join("NOTES.md")).unwrap();
    assert!(notes.contains("`SHA256SUMS.asc`, the packages and their repository are signed."), "{notes}");
    let check = env.xtask([&"release".into(), &"check".into(), &directory]).output().unwrap();
    assert!(String::from_utf8_lossy(&check.stdout).contains("are correct"));

    // Results of boots change the checksums, which have to be signed again.
    let (results, directory) = (env.path("results"), directory.display().to_string());
    fs::create_dir(&results).unwrap();
    fs::write(results.join("boot.json"), "[]").unwrap();
    let add = ["release", "add-boot", &directory, results.to_str().unwrap()];
    let said = failed(&env.xtask(add).output().unwrap());
    assert!(said.contains("is signed, and its checksums are about to change"), "{said}");
    env.succeeds(add.into_iter().chain(["--sign", WORKFLOW_KEY]));
    expect_success(gpg(&["--batch", "--verify", "SHA256SUMS.asc", "SHA256SUMS"]));
}

#[test]
fn signatures_of_a_release_are_verified() {
    if !can_sign("the signatures of a release") {
        return;
    }
    let (mut env, ring, other) = (TestEnv::new(), Ring::new(), Ring::new());
    env.set("GNUPGHOME", ring.home.path());
    fake::product(&env.path("product"), "v1.33.0+k3s1");
    let product = env.path("product").display().to_string();
    env.succeeds(["release", "--preview", "--skip-boot", "--product", &product, "--sign", KEY]);
    let directory = env.dist().join("v1.33.0+k3s1/preview");
    let release = directory.display().to_string();
    // The keys of the user count for nothing.
    let stranger = tempfile::tempdir().unwrap();
    env.set("GNUPGHOME", stranger.path());
    let said = env.succeeds(["verify", &release]);
    let fingerprint = expect_success(ring.gpg(&["--with-colons", "--list-keys"]).output().unwrap());
    let fingerprint = fingerprint.lines().find_map(|line| line.strip_prefix("fpr:::::::::")).unwrap();
    let signed = format!("checksums and packages are signed by {}", fingerprint.trim_end_matches(':'));
    assert!(said.contains(&signed), "{said}");

    let key = env.path("key.asc");
    let key_of = |ring: &Ring| {
        fs::write(&key, expect_success(ring.gpg(&["--armor", "--export"]).output().unwrap())).unwrap();
        key.display().to_string()
    };
    assert!(env.succeeds(["verify", "--key", &key_of(&ring), &release]).contains(&signed));
    // A product is left, unlike after what `fails` is for.
    let refused = |words: &[&str]| failed(&env.xtask(words).output().unwrap());
    let said = refused(&["verify", "--key", &key_of(&other), &release]);
    assert!(said.contains("verifying SHA256SUMS.asc by "), "{said}");

    let signature = directory.join("SHA256SUMS.asc");
    let genuine = fs::read(&signature).unwrap();
    for at in [0, 5, genuine.len() / 2, genuine.len() - 40, genuine.len() - 10, genuine.len() - 2] {
        let mut bytes = genuine.clone();
        bytes[at] ^= 1;
        fs::write(&signature, bytes).unwrap();
        refused(&["verify", &release]);
    }
    fs::remove_file(&signature).unwrap();
    let said = refused(&["verify", &release]);
    assert!(said.contains("the signature was removed"), "{said}");

    // Checksums that are signed again do not hide a package without a signature.
    let mut unsigned = TestEnv::new();
    let package = "k3s-cli-1.33.0+k3s1-1.oe2403.noarch.rpm";
    fs::copy(repository(&mut unsigned, None).join(package), directory.join(package)).unwrap();
    crate::release::again(&directory);
    let sign = ["--batch", "--yes", "--armor", "--detach-sign", "--output"];
    let files = [signature, directory.join("SHA256SUMS")].map(|path| path.display().to_string());
    let words: Vec<&str> = sign.into_iter().chain(files.iter().map(String::as_str)).collect();
    expect_success(ring.gpg(&words).output().unwrap());
    let said = refused(&["verify", &release]);
    assert!(said.contains(&format!("verifying the signature of {package}")), "{said}");
}
