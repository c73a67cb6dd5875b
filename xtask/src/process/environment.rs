//! The environment of a child process: composed from selected variables of the user, never inherited as a whole.

use nix::unistd::{AccessFlags, Uid, User, access};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// Variables of the user that every command gets: directories, network access and trust.
const OF_USER: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_RUNTIME_DIR",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "SSH_AUTH_SOCK",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "DOCKER_CONFIG",
    "REGISTRY_AUTH_FILE",
    "GNUPGHOME",
];

/// Variables and their values.
#[derive(Clone, Debug, Default)]
pub(super) struct Environment {
    pub variables: BTreeMap<OsString, OsString>,
    /// Names of the user's own settings of a tool; a value may be a password.
    inherited: BTreeSet<String>,
}

impl Environment {
    /// Composes the environment that every command gets.
    pub fn compose() -> Environment {
        let of_user = OF_USER.iter().filter_map(|name| Some((OsString::from(name), std::env::var_os(name)?)));
        let mut variables: BTreeMap<OsString, OsString> = of_user.collect();
        variables.remove(OsStr::new("HOME"));
        variables.extend(home().map(|home| ("HOME".into(), home.into())));
        variables.insert("LC_ALL".into(), "C.UTF-8".into());
        variables.insert("TZ".into(), "UTC".into());
        // This run's own directory, which is removed even if the run is killed.
        variables.insert("TMPDIR".into(), tempfile::env::temp_dir().into());
        Environment { variables, inherited: BTreeSet::new() }
    }

    /// Removes the user's variables.
    pub fn leave_out_user(&mut self) {
        self.variables.retain(|name, _| !OF_USER.iter().any(|user| name == user));
    }

    /// Adds the user's variables that begin with `prefix`, except these.
    pub fn inherit(&mut self, prefix: &str, except: &[&str]) {
        for (name, value) in std::env::vars_os() {
            let shown = name.to_string_lossy().into_owned();
            if shown.starts_with(prefix) && !except.contains(&&*shown) {
                self.variables.insert(name, value);
                // Without a prefix these are all variables, none of them a particular suspect.
                self.inherited.extend((!prefix.is_empty()).then_some(shown));
            }
        }
    }

    /// Describes the user's settings that may have made a command fail, one line each.
    pub fn suspects(&self) -> Vec<String> {
        let home = self.variables.get(OsStr::new("HOME")).map(Path::new);
        let home = home.and_then(|home| {
            let problem = unusable(home)?;
            Some(format!("HOME={} {problem}; set HOME to a directory of yours", home.display()))
        });
        let names: Vec<&str> = self.inherited.iter().map(String::as_str).collect();
        let settings = (!names.is_empty()).then(|| {
            format!("it was run with your variables {}; unset those that it should not get", names.join(", "))
        });
        home.into_iter().chain(settings).collect()
    }
}

/// Returns the user's home: a service that systemd starts, or a container, often comes without the variable.
pub fn home() -> Option<PathBuf> {
    let named = std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
    named.or_else(|| Some(User::from_uid(Uid::effective()).ok()??.dir))
}

/// Returns why a directory cannot serve as a home.
fn unusable(home: &Path) -> Option<&'static str> {
    if !home.is_dir() {
        return Some("is not a directory");
    }
    access(home, AccessFlags::W_OK | AccessFlags::X_OK).err().map(|_| "cannot be written")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_home(home: &Path) -> Environment {
        Environment { variables: [("HOME".into(), home.into())].into(), ..Environment::default() }
    }

    #[test]
    fn user_environment_can_be_left_out() {
        let mut environment = Environment::compose();
        assert!(environment.variables.contains_key(OsStr::new("PATH")));
        environment.leave_out_user();
        let names: Vec<_> = environment.variables.into_keys().collect();
        assert_eq!(names, ["LC_ALL", "TZ"]);
    }

    #[test]
    fn suspects_name_unusable_home() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let expected =
            format!("HOME={} is not a directory; set HOME to a directory of yours", file.path().display());
        assert_eq!(with_home(file.path()).suspects(), [expected]);
        assert_eq!(with_home(&std::env::temp_dir()).suspects(), [""; 0]);
    }

    #[test]
    fn suspects_name_settings_without_values() {
        let mut environment = with_home(&std::env::temp_dir());
        // cargo sets these for every test.
        environment.inherit("CARGO_PKG_NA", &[]);
        environment.inherit("CARGO_PKG_VERSION_M", &["CARGO_PKG_VERSION_MINOR"]);
        let expected = "it was run with your variables CARGO_PKG_NAME, CARGO_PKG_VERSION_MAJOR; unset those that it should not get";
        assert_eq!(environment.suspects(), [expected]);
    }
}
