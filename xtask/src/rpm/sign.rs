//! Signatures, by the user's own gpg: of each package's header, and of the repository's metadata.

use super::read;
use crate::context::Context;
use crate::process::{self, Command, cmd};
use anyhow::{Context as _, Result, ensure};
use fs_err as fs;
use std::path::{Path, PathBuf};

/// The public key's file beside the packages.
pub const PUBLIC_KEY: &str = "RPM-GPG-KEY-k3s-riscv64";

/// A key of the user's that has been tested by one signature.
#[derive(Clone)]
pub struct Key {
    /// 40 or 64 hexadecimal digits, which are safe in rpm's macros, unlike the user's name for the key.
    fingerprint: String,
    /// The public half, as others import it.
    public: String,
}

impl Key {
    /// Finds a key by any name that gpg accepts, and signs once, so that a missing secret half or passphrase is reported
    /// before an hour's build.
    pub fn usable(context: &Context, id: &str) -> Result<Key> {
        let public = gpg(context, &["--armor", "--export", id])?.read()?;
        ensure!(
            !public.is_empty(),
            "gpg knows no key {id:?}\n  gpg --list-secret-keys lists the keys that it has"
        );
        let listed = gpg(context, &["--with-colons", "--list-keys", id])?.read()?;
        let fingerprint =
            fingerprint(&listed).with_context(|| format!("gpg shows no fingerprint of the key {id:?}"))?;
        gpg(context, &["--local-user", id, "--output", "-", "--armor", "--detach-sign"])?
            .read()
            .with_context(|| format!("gpg cannot sign with the key {id:?}"))?;
        Ok(Key { fingerprint: fingerprint.to_owned(), public: public + "\n" })
    }

    /// Signs packages in place, and checks that header and payload stay as they were built.
    pub fn sign_packages(&self, context: &Context, packages: &[PathBuf]) -> Result<()> {
        let digests = || packages.iter().map(|path| read::header_digest(path)).collect::<Result<Vec<_>>>();
        let before = digests()?;
        let name = format!("_gpg_name {}", self.fingerprint);
        // rpm does not search PATH for it.
        let program = process::find("gpg").context("gpg is missing")?;
        let program = format!("__gpg {}", program.display());
        let definitions = ["--define", &name, "--define", &program];
        with_gpg(cmd!(context, "rpmsign {definitions...} --addsign {packages...}"))
            .log("rpmsign")
            .run()
            .context("signing the packages")?;
        ensure!(before == digests()?, "signing has changed a package's header");
        Ok(())
    }

    /// Checks that packages are signed with this key, in a key database of their own.
    pub fn verify_packages(&self, context: &Context, packages: &[PathBuf]) -> Result<()> {
        let scratch = tempfile::tempdir_in(&context.work)?;
        self.publish(scratch.path())?;
        let (database, key) = (scratch.path().join("keys"), scratch.path().join(PUBLIC_KEY));
        cmd!(context, "rpmkeys --dbpath {database} --import {key}").log("rpmkeys").run()?;
        let options = ["--define", "_pkgverify_level signature", "--checksig"];
        cmd!(context, "rpmkeys --dbpath {database} {options...} {packages...}")
            .log("rpmkeys")
            .run()
            .with_context(|| format!("checking that packages are signed with the key {}", self.fingerprint))
    }

    /// Signs a file into `FILE.asc` beside it.
    pub fn sign_file(&self, context: &Context, file: &Path) -> Result<()> {
        let signature = format!("{}.asc", file.display());
        let file = file.to_string_lossy();
        gpg(
            context,
            &["--local-user", &self.fingerprint, "--output", &signature, "--armor", "--detach-sign", &file],
        )?
        .run()
        .with_context(|| format!("signing {file}"))
    }

    /// Writes the public half into a directory.
    pub fn publish(&self, directory: &Path) -> Result<()> {
        fs::write(directory.join(PUBLIC_KEY), &self.public)?;
        Ok(())
    }
}

/// Returns the first fingerprint of a listing, that of the primary key (GnuPG, doc/DETAILS: the tenth field of `fpr`).
fn fingerprint(listed: &str) -> Option<&str> {
    let line = listed.lines().find(|line| line.starts_with("fpr:"))?;
    line.split(':').nth(9).filter(|text| text.len() >= 40 && text.chars().all(|c| c.is_ascii_hexdigit()))
}

fn gpg<'a>(context: &'a Context, arguments: &[&str]) -> Result<Command<'a>> {
    Ok(with_gpg(cmd!(context, "gpg --batch --yes {arguments...}")))
}

/// Passes on the variables by which gpg's agent can ask for a passphrase at the user's terminal or display.
fn with_gpg(program: Command<'_>) -> Command<'_> {
    ["GPG_", "DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS"]
        .iter()
        .fold(program, |program, name| program.inherit(name, &[]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_is_named_by_its_primary_fingerprint() {
        let listed = "tru::1:1:0:3:1:5\npub:u:3072:1:AAAA:1:::u:::scESC::::::23::0:\n\
            fpr:::::::::0123456789ABCDEF0123456789ABCDEF01234567:\nuid:u::::1::A::me (100% %{me})::::::::::0:\n\
            sub:u:3072:1:BBBB:1::::::e::::::23:\nfpr:::::::::FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF:\n";
        assert_eq!(fingerprint(listed), Some("0123456789ABCDEF0123456789ABCDEF01234567"));
        assert_eq!(fingerprint("pub:u:\n"), None);
    }
}
