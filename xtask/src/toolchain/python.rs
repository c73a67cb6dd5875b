//! Python with pip, for tools that are published as Python packages: the host's, or else Debian's.

use super::debian;
use crate::context::Context;
use crate::process::{self, Command};
use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};

/// File in which Debian keeps the trusted certificates (ca-certificates, update-ca-certificates(8)).
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// A Python that has pip.
#[derive(Clone, Debug)]
pub struct Python {
    /// The interpreter, preceded by its own loader where it needs one.
    command: Vec<PathBuf>,
    environment: Vec<(&'static str, PathBuf)>,
}

impl Python {
    /// Returns the host's Python if it has pip, else that of the pinned Debian release, unpacked into the cache.
    pub fn with_pip(context: &Context) -> Result<Python> {
        if let Some(python) = Python::of_host(context) {
            return Ok(python);
        }
        let host = debian::host()?;
        let directory = debian::unpacked(context, "python", &[host.debian], &["python3-pip"])
            .context("this host has no python3 with pip, which fetches Python packages")?;
        // Compiled modules beside the sources would count as changes of the tool.
        let mut environment =
            vec![("PYTHONHOME", directory.join("usr")), ("PYTHONDONTWRITEBYTECODE", "1".into())];
        if std::env::var_os("SSL_CERT_FILE").is_none() {
            // Its OpenSSL would look for a directory that only OpenSSL's own package contains.
            environment.push(("SSL_CERT_FILE", CERTIFICATES.into()));
        }
        Ok(Python { command: debian::command(&directory, "python3")?, environment })
    }

    /// Begins a command of the interpreter.
    pub fn program<'a, 'b>(
        &self,
        context: &'a Context,
        arguments: impl IntoIterator<Item = &'b Path>,
    ) -> Command<'a> {
        Command::from_argv(context, &self.command).args(arguments).envs(self.environment.iter().cloned())
    }

    /// Returns the host's Python if it has pip.
    pub fn of_host(context: &Context) -> Option<Python> {
        let python = Python { command: vec![process::find("python3")?], environment: Vec::new() };
        let version = ["-m", "pip", "--version"].map(Path::new);
        python.program(context, version).succeeds().then_some(python)
    }
}
