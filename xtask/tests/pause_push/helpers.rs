//! Credential helpers of docker, podman and crane.

use crate::registry::credentials;
use crate::{Push, Scene};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use tempfile::TempDir;

/// A registry, and a user with a helper `docker-credential-lab`.
struct Helped {
    scene: Scene,
    directory: TempDir,
}

impl Helped {
    /// The helper is a shell script with the server in `$server`.
    fn set(what: &str, script: &str) -> Option<Helped> {
        let scene = Scene::set(what)?;
        let directory = tempfile::tempdir().unwrap();
        let helper = directory.path().join("docker-credential-lab");
        std::fs::write(&helper, format!("#!/bin/sh\n[ \"$1\" = get ] || exit 9\nserver=$(cat)\n{script}\n"))
            .unwrap();
        std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).unwrap();
        Some(Helped { scene, directory })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes docker's configuration.
    fn configure(&self, config: &Value) {
        std::fs::write(self.path("config.json"), config.to_string()).unwrap();
    }

    fn push(&self) -> Push<'_> {
        let mut path = OsString::from(self.directory.path());
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap());
        let environment = vec![("PATH", path.into()), ("DOCKER_CONFIG", self.path(""))];
        Push { arguments: &["--arch", "riscv64"], environment, ..self.scene.push() }
    }
}

/// A helper whose credentials are those of a cloud: it has none without its variables.
const OF_CLOUD: &str = r#"
printf '%s %s %s %s\n' "$server" "$HOME" "$GOOGLE_APPLICATION_CREDENTIALS" "$XDG_DATA_HOME" >>"$LAB_RECORD"
printf '{"ServerURL":"%s","Username":"%s","Secret":"%s"}' "$server" "$AWS_PROFILE" "$AWS_SESSION_TOKEN""#;

#[test]
fn helpers_have_the_environment_of_the_user() {
    let Some(helped) = Helped::set("pushing with a credential helper", OF_CLOUD) else { return };
    let registry = &*helped.scene.line.address;
    let record = helped.path("record");
    for config in
        [json!({"credHelpers": {registry: "lab"}}), json!({"auths": {registry: {}}, "credsStore": "lab"})]
    {
        helped.configure(&config);
        let mut push = helped.push();
        push.environment.extend([
            ("LAB_RECORD", record.clone()),
            ("HOME", helped.path("home")),
            ("AWS_PROFILE", "pusher".into()),
            ("AWS_SESSION_TOKEN", "secret".into()),
            ("GOOGLE_APPLICATION_CREDENTIALS", "/g.json".into()),
            ("XDG_DATA_HOME", "/data".into()),
        ]);
        std::fs::remove_file(&record).unwrap_or_default();
        push.succeed();
        let expected = format!("{registry} {} /g.json /data\n", helped.path("home").display());
        assert_eq!(std::fs::read_to_string(&record).unwrap(), expected, "it is asked once");
    }
}

#[test]
fn failing_helper_is_named_without_secrets() {
    let script = r#"echo "cannot use $AWS_SECRET_ACCESS_KEY"; echo "for $server at https://me:hidden@cloud.example" >&2; exit 3"#;
    let Some(helped) = Helped::set("pushing with a failing helper", script) else { return };
    let registry = &*helped.scene.line.address;
    helped.configure(&json!({"credHelpers": {registry: "lab"}}));
    let mut push = helped.push();
    push.environment.push(("AWS_SECRET_ACCESS_KEY", "hidden-key".into()));
    let message = push.fail();
    let config = helped.path("config.json");
    let named = format!("docker-credential-lab failed, which {} names for {registry}", config.display());
    for expected in
        [&*named, "exit status: 3", "cannot use …", &format!("for {registry} at https://cloud.example")]
    {
        assert!(message.contains(expected), "{expected}: {message}");
    }
    assert!(!message.contains("hidden") && !message.contains("login"), "{message}");
    assert_eq!(helped.scene.line.requests("GET /"), 0, "nothing is sent without the credential");
}

#[test]
fn helper_without_a_credential_hides_no_other() {
    let script = "echo credentials not found in native keychain; exit 1";
    let Some(helped) = Helped::set("pushing with a helper that has nothing", script) else { return };
    helped.configure(&json!({"credsStore": "lab"}));
    let push = helped.push();
    let message = push.fail();
    assert!(message.contains("since there are none for it"), "{message}");
    let podman = helped.path("containers");
    std::fs::create_dir(&podman).unwrap();
    credentials(&podman, "auth.json", &helped.scene.line.address, "pusher:secret");
    let mut push = push;
    push.environment.push(("XDG_CONFIG_HOME", helped.path("")));
    push.succeed();
}

#[test]
fn missing_helper_is_named() {
    let Some(helped) = Helped::set("pushing with a helper that is not installed", "exit 1") else { return };
    helped.configure(&json!({"credsStore": "absent"}));
    let message = helped.push().fail();
    let registry = &*helped.scene.line.address;
    let config = helped.path("config.json");
    let expected =
        format!("cannot find docker-credential-absent, which {} names for {registry}", config.display());
    assert!(message.contains(&expected), "{message}");
}
