//! The signatures of a release: of its checksums, by gpg, and of each of its packages, by rpm.

use super::SIGNATURE;
use super::check::Checked;
use crate::context::Context;
use crate::process::{self, cmd};
use crate::product::SUMS;
use crate::rpm::sign::PUBLIC_KEY;
use anyhow::{Context as _, Result, bail, ensure};
use fs_err as fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The lines around a signature (RFC 9580, 6.2).
const BEGIN: &str = "-----BEGIN PGP SIGNATURE-----\n\n";
const END: &str = "\n-----END PGP SIGNATURE-----\n";

/// Verifies all signatures by a key, that of the release itself if none is given, and returns the key's fingerprint; none
/// for a release that is not signed.
pub fn verify(context: &Context, checked: &Checked, key: Option<&Path>) -> Result<Option<String>> {
    let Checked { directory, files, .. } = checked;
    let has = |name: &str| files.iter().any(|file| file == name);
    match (has(PUBLIC_KEY), has(SIGNATURE)) {
        (true, true) => {}
        (false, false) => {
            ensure!(key.is_none(), "--key names a key, and nothing in {} is signed", directory.display());
            return Ok(None);
        }
        (true, false) => bail!("{PUBLIC_KEY} is there, but not {SIGNATURE}: the signature was removed"),
        (false, true) => bail!("{SIGNATURE} is there, but not {PUBLIC_KEY}"),
    }
    for program in ["gpg", "rpmkeys"] {
        process::find(program).with_context(|| {
            format!("{program} is missing, which verifies signatures (packages gnupg, rpm)")
        })?;
    }
    // gpg warns if other users could write here, whatever the umask.
    let ring = tempfile::Builder::new().permissions(std::fs::Permissions::from_mode(0o700)).tempdir()?;
    let (home, beside) = (ring.path(), directory.join(PUBLIC_KEY));
    let key = key.unwrap_or(&beside);
    let gpg = |words: &[&Path]| cmd!(context, "gpg --batch --homedir {home} {words...}");
    gpg(&[Path::new("--import"), key]).run().with_context(|| format!("reading the key {}", key.display()))?;
    let (signature, sums) = (directory.join(SIGNATURE), directory.join(SUMS));
    // gpg passes over what is around them.
    let text = fs::read_to_string(&signature)?;
    let is_bare = text.starts_with(BEGIN) && text.ends_with(END);
    ensure!(is_bare, "{SIGNATURE} is not one signature in gpg's armor, and nothing else");
    let status = gpg(&["--status-fd", "1", "--verify"]
        .map(Path::new)
        .into_iter()
        .chain([&*signature, &*sums])
        .collect::<Vec<_>>())
    .read()
    .with_context(|| format!("verifying {SIGNATURE} by {}", key.display()))?;
    let fingerprint = fingerprint(&status).context("gpg names no valid signature")?.to_owned();
    let database = home.join("rpm");
    let rpmkeys = |words: &[&Path]| cmd!(context, "rpmkeys --dbpath {database} {words...}");
    rpmkeys(&[Path::new("--import"), key]).run().context("giving the key to rpm")?;
    for package in files.iter().filter(|name| name.ends_with(".rpm")) {
        // Without this, a package that is not signed would pass.
        let all = ["--define", "_pkgverify_level all", "--checksig"].map(Path::new);
        let path = directory.join(package);
        rpmkeys(&all.into_iter().chain([&*path]).collect::<Vec<_>>())
            .run()
            .with_context(|| format!("verifying the signature of {package}"))?;
    }
    Ok(Some(fingerprint))
}

/// Returns the fingerprint of the primary key of a valid signature (GnuPG, doc/DETAILS: the last field of `VALIDSIG`).
fn fingerprint(status: &str) -> Option<&str> {
    let line = status.lines().find_map(|line| line.strip_prefix("[GNUPG:] VALIDSIG "))?;
    line.split(' ').next_back()
}
