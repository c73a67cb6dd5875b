//! Tests of arguments, options and surroundings.

use super::job::Job;

const CHART: &str = "https://charts/traefik.tgz";

/// Returns the options after the chart in the call that installs or upgrades.
#[track_caller]
fn options(job: &Job) -> String {
    let call = job.installed();
    call.split_once(CHART).expect("the chart's URL").1.trim_start_matches('|').to_owned()
}

#[test]
fn arguments_are_passed_word_by_word() {
    for (status, command) in [("deployed", "upgrade"), ("uninstalled", "install")] {
        let Some(job) = Job::with_release(status) else { return };
        let arguments =
            ["install", "--namespace", "kube-system", "--take-ownership", "--set-string", "a=b  *\\,$HOME"];
        let outcome = job.run(&arguments);
        let expected = format!("{command}|{}|traefik|{CHART}", arguments[1..].join("|"));
        assert_eq!((outcome.code, outcome.calls), (Some(0), vec![expected]));
    }
}

#[test]
fn other_actions_are_refused() {
    for arguments in [&["upgrade"] as &[&str], &["--version"], &[]] {
        let Some(job) = Job::new() else { return };
        let outcome = job.run(arguments);
        assert_eq!((outcome.code, outcome.calls), (Some(64), vec![]), "{arguments:?}");
        assert!(outcome.message.contains("not install or delete"), "{}", outcome.message);
    }
}

#[test]
fn helm_v2_is_refused() {
    let Some(job) = Job::new() else { return };
    let outcome = job.env("HELM_VERSION", "v2").run(&["install"]);
    assert_eq!((outcome.code, outcome.calls), (Some(64), vec![]));
    assert!(outcome.message.contains("Helm v2 is not supported"), "{}", outcome.message);
    let Some(job) = Job::new() else { return };
    assert_eq!(job.env("HELM_VERSION", "v3").install().len(), 1);
}

#[test]
fn values_are_passed_in_order() {
    let Some(job) = Job::new() else { return };
    let files = ["values-1-000-HelmChartConfig-ValuesContent", "values-0-001-HelmChart-Values", "values 10"];
    let job = files.iter().fold(job, |job, name| job.file(&format!("config/{name}.yaml"), "secret: hidden"));
    let job = job.file("config/other.json", "{}");
    let expected = [files[2], files[1], files[0]].map(|name| format!("--values|/config/{name}.yaml"));
    assert_eq!(options(&job), expected.join("|"));
}

#[test]
fn transport_options_need_the_word_true() {
    let Some(job) = Job::new() else { return };
    let job = job.env("INSECURE_SKIP_TLS_VERIFY", "true").env("PLAIN_HTTP", "false");
    assert_eq!(options(&job), "--insecure-skip-tls-verify");
    let Some(job) = Job::new() else { return };
    assert_eq!(options(&job.env("INSECURE_SKIP_TLS_VERIFY", "").env("PLAIN_HTTP", "true")), "--plain-http");
}

#[test]
fn timeout_and_label_are_passed() {
    for status in ["deployed", "uninstalled"] {
        let Some(job) = Job::with_release(status) else { return };
        let job = job.env("TIMEOUT", "10m0s").env("CONFIG_HASH", "ABC");
        let label = "--labels|helmcharts.helm.cattle.io/configHash=ABC";
        assert_eq!(options(&job), format!("--timeout|10m0s|{label}"));
    }
}

#[test]
fn server_side_apply_follows_the_release() {
    // Status, SERVER_SIDE, FORCE_CONFLICTS, method of the release, options.
    let cases = [
        ("uninstalled", "auto", "false", "", "--server-side=true|--force-conflicts=false"),
        ("uninstalled", "auto", "true", "", "--server-side=true|--force-conflicts=true"),
        ("uninstalled", "false", "true", "", "--server-side=false|--force-conflicts=false"),
        ("uninstalled", "false", "", "", "--server-side=false"),
        ("deployed", "auto", "false", "ssa", "--server-side=auto|--force-conflicts=false"),
        ("deployed", "auto", "true", "ssa", "--server-side=auto|--force-conflicts=true"),
        ("deployed", "auto", "true", "csa", "--server-side=auto|--force-conflicts=false"),
        ("deployed", "true", "true", "csa", "--server-side=true|--force-conflicts=true"),
        ("deployed", "false", "true", "ssa", "--server-side=false|--force-conflicts=false"),
        ("deployed", "", "true", "ssa", "--force-conflicts=true"),
        ("deployed", "", "", "ssa", ""),
    ];
    for (status, side, force, method, expected) in cases {
        let Some(job) = Job::with_release(status) else { return };
        let metadata = format!("{{\"name\":\"traefik\",\"applyMethod\":\"{method}\"}}\n");
        let job = job.helm4().answer("get", &metadata);
        let job = job.env("SERVER_SIDE", side).env("FORCE_CONFLICTS", force);
        assert_eq!(options(&job), expected, "{status} {side} {force} {method}");
    }
}

#[test]
fn helm_v3_has_no_server_side_apply() {
    let Some(job) = Job::with_release("deployed") else { return };
    let outcome = job.env("SERVER_SIDE", "auto").env("FORCE_CONFLICTS", "true").run(&["install"]);
    assert_eq!((outcome.code, outcome.calls), (Some(0), vec![format!("upgrade|traefik|{CHART}")]));
    assert_eq!(outcome.reads.len(), 2, "{:?}", outcome.reads);
}

#[test]
fn unreadable_method_fails_the_job() {
    let Some(job) = Job::with_release("deployed") else { return };
    let job = job.helm4().fails("get").env("SERVER_SIDE", "auto").env("FORCE_CONFLICTS", "true");
    let outcome = job.run(&["install"]);
    assert_eq!((outcome.code, outcome.calls), (Some(1), vec![]));
    assert!(outcome.message.contains("cannot read the metadata"), "{}", outcome.message);
}

#[test]
fn secrets_are_not_printed() {
    let Some(job) = Job::new() else { return };
    let job =
        job.env("CHART", "https://user:hidden@charts/x.tgz").file("config/values.yaml", "password: hidden");
    let outcome = job.run(&["install", "--set-string", "password=hidden"]);
    assert_eq!(outcome.calls.len(), 1, "{outcome:#?}");
    assert!(!outcome.output.contains("hidden") && !outcome.message.contains("hidden"), "{outcome:#?}");
}

#[test]
fn helm_has_the_surroundings_of_the_pod() {
    let Some(job) = Job::new() else { return };
    let job =
        job.env("HELM_DRIVER", "configmap").env("TARGET_NAMESPACE", "web").env("https_proxy", "http://proxy");
    let job = job.env("HOME", "/");
    job.installed();
    let authority = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";
    let expected = ["web", "configmap", "/home/klipper-helm", authority, "/etc/ssl/certs", "http://proxy"];
    assert_eq!(job.root.read("tmp/environment").lines().collect::<Vec<_>>(), expected);
}

#[test]
fn missing_termination_log_is_no_error() {
    let Some(job) = Job::new() else { return };
    fs_err::remove_file(job.root.path("dev/termination-log")).unwrap();
    let outcome = job.run(&["install"]);
    assert_eq!((outcome.code, outcome.message.as_str()), (Some(0), ""), "{outcome:#?}");
    assert_eq!(outcome.output, "helm install: release traefik in namespace kube-system\n");
}
