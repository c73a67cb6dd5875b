//! Tests of where the chart comes from.

use super::job::Job;
use fs_err as fs;

const ADD: &str = "repo|add|--force-update|";

/// Returns a job for a chart in a repository, as the controller names it.
fn from_repository() -> Option<Job> {
    Some(Job::new()?.env("CHART", "traefik/proxy").env("REPO", "https://charts"))
}

#[test]
fn url_of_the_api_server_is_filled_in() {
    for (host, expected) in [("10.43.0.1", "10.43.0.1:6443"), ("fd00::1", "[fd00::1]:6443")] {
        let Some(job) = Job::new() else { return };
        let job = job.env("KUBERNETES_SERVICE_HOST", host).env("KUBERNETES_SERVICE_PORT", "6443");
        let call = job.env("CHART", "https://%{KUBERNETES_API}%/static/traefik.tgz").installed();
        assert_eq!(call, format!("install|traefik|https://{expected}/static/traefik.tgz"));
    }
}

#[test]
fn chart_content_wins_over_the_name() {
    let Some(job) = Job::new() else { return };
    let job = job.env("CHART", "ignored").file("chart/traefik.tgz.base64", "YSBj\naGFydA==\n");
    assert_eq!(job.install(), ["install|traefik|/tmp/traefik.tgz"]);
    assert_eq!(fs::read(job.root.path("tmp/traefik.tgz")).unwrap(), b"a chart");
}

#[test]
fn content_of_another_chart_is_not_used() {
    let Some(job) = Job::new() else { return };
    let job = job.file("chart/traefik-crd.tgz.base64", "YQ==");
    assert_eq!(job.installed(), "install|traefik|https://charts/traefik.tgz");
}

#[test]
fn truncated_chart_content_is_refused() {
    let Some(job) = Job::new() else { return };
    let outcome = job.file("chart/traefik.tgz.base64", "YSBja").run(&["install"]);
    assert_eq!((outcome.code, outcome.calls), (Some(1), vec![]));
    assert!(outcome.message.contains("is not base64"), "{}", outcome.message);
}

#[test]
fn url_needs_no_repository() {
    for chart in ["http://charts/traefik.tgz", "https://charts/traefik.tgz"] {
        let Some(job) = Job::new() else { return };
        let calls = job.env("CHART", chart).env("REPO", "https://other").install();
        assert_eq!(calls, [format!("install|traefik|{chart}")]);
    }
}

#[test]
fn chart_of_a_registry_needs_no_repository() {
    let Some(job) = Job::new() else { return };
    assert_eq!(
        job.env("CHART", "oci://registry/traefik").install(),
        ["install|traefik|oci://registry/traefik"]
    );
}

#[test]
fn repository_is_added_under_the_name() {
    let Some(job) = from_repository() else { return };
    let expected = [format!("{ADD}traefik|https://charts"), "install|traefik|traefik/proxy".to_owned()];
    assert_eq!(job.install(), expected);
}

#[test]
fn unreachable_repository_fails_the_job() {
    let Some(job) = from_repository() else { return };
    let outcome = job.fails("repo").run(&["install"]);
    assert_eq!((outcome.code, outcome.calls.len()), (Some(1), 1), "{outcome:#?}");
    assert!(outcome.message.contains("cannot read the chart repository of traefik"), "{}", outcome.message);
}

#[test]
fn stable_is_the_archived_repository() {
    let Some(job) = Job::new() else { return };
    let calls = job.env("CHART", "stable/nginx").install();
    let expected =
        [format!("{ADD}stable|https://charts.helm.sh/stable/"), "install|traefik|stable/nginx".into()];
    assert_eq!(calls, expected);
}

#[test]
fn password_reaches_helm_by_stdin() {
    let Some(job) = from_repository() else { return };
    let job = job.file("auth/username", "a user").file("auth/password", "hidden");
    let outcome = job.run(&["install"]);
    assert_eq!(outcome.calls[0], format!("{ADD}traefik|https://charts|--username|a user|--password-stdin"));
    assert_eq!(job.root.read("tmp/password"), "hidden");
    assert!(!outcome.output.contains("hidden") && !outcome.output.contains("a user"), "{}", outcome.output);
}

#[test]
fn user_without_a_password_is_not_used() {
    for file in ["auth/username", "auth/password", "auth/tls.crt", "auth/tls.key"] {
        let Some(job) = from_repository() else { return };
        assert_eq!(job.file(file, "x").install()[0], format!("{ADD}traefik|https://charts"), "{file}");
    }
}

#[test]
fn client_certificate_is_passed() {
    let Some(job) = from_repository() else { return };
    let job = job.file("auth/tls.crt", "c").file("auth/tls.key", "k");
    let certificate = "--cert-file|/auth/tls.crt|--key-file|/auth/tls.key";
    assert_eq!(job.install()[0], format!("{ADD}traefik|https://charts|{certificate}"));
}

#[test]
fn credentials_are_passed_on_if_asked_for() {
    let Some(job) = from_repository() else { return };
    let job = job.env("AUTH_PASS_CREDENTIALS", "true").file("auth/username", "u").file("auth/password", "p");
    let words = "--pass-credentials|--username|u|--password-stdin";
    assert_eq!(job.install()[0], format!("{ADD}traefik|https://charts|{words}"));
    let Some(job) = from_repository() else { return };
    let job = job.env("AUTH_PASS_CREDENTIALS", "true").file("auth/tls.crt", "c").file("auth/tls.key", "k");
    assert!(job.install()[0].contains("|--pass-credentials|--cert-file|"));
}

#[test]
fn authorities_are_joined_in_one_file() {
    let Some(job) = from_repository() else { return };
    let job =
        job.file("config/ca-file.pem", "one").file("ca-files/a b.pem", "two\n").file("ca-files/c", "three");
    // Left by an earlier container of the same pod.
    let job = job.file("tmp/ca-file.pem", "old");
    let calls = job.install();
    assert_eq!(calls[0], format!("{ADD}traefik|https://charts|--ca-file|/tmp/ca-file.pem"));
    assert_eq!(calls[1], "install|traefik|traefik/proxy|--ca-file|/tmp/ca-file.pem");
    assert_eq!(job.root.read("tmp/ca-file.pem"), "one\ntwo\n\nthree\n");
}

#[test]
fn repository_is_read_without_verification_if_asked() {
    let Some(job) = from_repository() else { return };
    let calls = job.env("INSECURE_SKIP_TLS_VERIFY", "true").install();
    assert_eq!(calls[0], format!("{ADD}traefik|https://charts|--insecure-skip-tls-verify"));
}
