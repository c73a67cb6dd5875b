//! Tests of what is done for each state of a release.

use super::job::Job;

const INSTALL: &str = "install|traefik|https://charts/traefik.tgz";
const UPGRADE: &str = "upgrade|traefik|https://charts/traefik.tgz";
const UNINSTALL: &str = "uninstall|traefik|--wait";
const SET_FAILED: &str = "set-status|traefik|failed";

#[test]
fn missing_release_is_installed() {
    let Some(job) = Job::new() else { return };
    let outcome = job.run(&["install"]);
    assert_eq!((outcome.code, outcome.calls), (Some(0), vec![INSTALL.to_owned()]));
    assert_eq!(outcome.message, "helm install: release traefik in namespace kube-system\n");
    assert_eq!(outcome.output, outcome.message);
}

#[test]
fn deployed_release_is_upgraded() {
    let Some(job) = Job::with_release("deployed") else { return };
    assert_eq!(job.install(), [UPGRADE]);
}

/// Options that both helm v3 and helm v4 have.
const LIST: &str = "list|--deployed|--failed|--pending|--superseded|--uninstalled|--uninstalling";

#[test]
fn releases_of_all_states_are_listed() {
    let Some(job) = Job::new() else { return };
    assert_eq!(job.run(&["install"]).reads, [format!("{LIST}|--filter|^traefik$|--output|json")]);
}

#[test]
fn names_with_dots_match_only_themselves() {
    let Some(job) = Job::new() else { return };
    let reads = job.env("NAME", "a.b.c").run(&["install"]).reads;
    assert_eq!(reads, [format!(r"{LIST}|--filter|^a\.b\.c$|--output|json")]);
}

#[test]
fn interrupted_upgrade_is_done_again() {
    for status in ["pending-upgrade", "superseded"] {
        let Some(job) = Job::with_release(status) else { return };
        assert_eq!(job.env("FAILURE_POLICY", "abort").install(), [SET_FAILED, UPGRADE], "{status}");
    }
}

#[test]
fn other_interruptions_count_as_failed() {
    for status in ["pending-install", "pending-rollback", "uninstalling"] {
        let Some(job) = Job::with_release(status) else { return };
        assert_eq!(job.install(), [SET_FAILED, UNINSTALL, INSTALL], "{status}");
        let Some(job) = Job::with_release(status) else { return };
        let outcome = job.env("FAILURE_POLICY", "abort").run(&["install"]);
        assert_eq!((outcome.code, outcome.calls), (Some(1), vec![SET_FAILED.to_owned()]), "{status}");
    }
}

#[test]
fn status_that_cannot_be_changed_fails_the_job() {
    let Some(job) = Job::with_release("pending-upgrade") else { return };
    let outcome = job.fails("set-status").run(&["install"]);
    assert_eq!((outcome.code, outcome.calls), (Some(1), vec![SET_FAILED.to_owned()]));
    assert!(outcome.message.contains("cannot change the status of release traefik"), "{}", outcome.message);
}

#[test]
fn failed_release_is_installed_again() {
    for policy in ["", "reinstall"] {
        let Some(job) = Job::with_release("failed") else { return };
        assert_eq!(job.env("FAILURE_POLICY", policy).install(), [UNINSTALL, INSTALL], "{policy:?}");
    }
}

#[test]
fn reinstall_stops_if_uninstall_fails() {
    let Some(job) = Job::with_release("failed") else { return };
    let outcome = job.fails("uninstall").run(&["install"]);
    assert_eq!((outcome.code, outcome.calls), (Some(1), vec![UNINSTALL.to_owned()]));
    assert!(outcome.message.contains("helm uninstall failed"), "{}", outcome.message);
}

#[test]
fn abort_leaves_a_failed_release_alone() {
    let Some(job) = Job::with_release("failed") else { return };
    let outcome = job.env("FAILURE_POLICY", "abort").run(&["install"]);
    assert_eq!((outcome.code, outcome.calls), (Some(1), vec![]));
    assert!(outcome.message.contains("failure policy is 'abort'"), "{}", outcome.message);
}

#[test]
fn retry_upgrades_a_failed_release() {
    let Some(job) = Job::with_release("failed") else { return };
    assert_eq!(job.env("FAILURE_POLICY", "retry").install(), [UPGRADE]);
    let Some(job) = Job::with_release("failed") else { return };
    let outcome = job.env("FAILURE_POLICY", "retry").fails("upgrade").run(&["install"]);
    assert_eq!(outcome.code, Some(1), "{outcome:#?}");
}

#[test]
fn unknown_failure_policy_is_refused() {
    let Some(job) = Job::with_release("failed") else { return };
    let outcome = job.env("FAILURE_POLICY", "ignore").run(&["install"]);
    assert_eq!((outcome.code, outcome.calls), (Some(1), vec![]));
    assert!(outcome.message.contains("unknown failure policy 'ignore'"), "{}", outcome.message);
}

#[test]
fn kept_history_is_left_to_helm() {
    let Some(job) = Job::with_release("uninstalled") else { return };
    assert_eq!(job.install(), [INSTALL]);
}

#[test]
fn failure_of_helm_is_that_of_the_job() {
    for (status, subcommand) in [("failed", "install"), ("deployed", "upgrade")] {
        let Some(job) = Job::with_release(status) else { return };
        let outcome = job.fails(subcommand).run(&["install"]);
        assert_eq!(outcome.code, Some(1), "{outcome:#?}");
        let message = format!("helm {subcommand} failed: release traefik\n");
        assert!(outcome.message.ends_with(&message), "{}", outcome.message);
        assert!(outcome.output.contains(&format!("Error: {subcommand}")), "{}", outcome.output);
    }
}

#[test]
fn unreachable_server_changes_nothing() {
    for action in ["install", "delete"] {
        let Some(job) = Job::with_release("deployed") else { return };
        let outcome = job.fails("list").run(&[action]);
        assert_eq!((outcome.code, outcome.calls), (Some(1), vec![]), "{action}");
        assert!(outcome.message.contains("cannot list the releases"), "{}", outcome.message);
    }
}

#[test]
fn delete_uninstalls() {
    for status in ["deployed", "failed", "pending-install"] {
        let Some(job) = Job::with_release(status) else { return };
        let outcome = job.env("REPO", "https://charts").run(&["delete"]);
        assert_eq!((outcome.code, outcome.calls), (Some(0), vec![UNINSTALL.to_owned()]), "{status}");
    }
}

#[test]
fn delete_without_a_release_does_nothing() {
    let Some(job) = Job::new() else { return };
    let outcome = job.env("EXPECTED_RELEASE_REVISION", "3").run(&["delete"]);
    assert_eq!((outcome.code, outcome.calls), (Some(0), vec![]));
    assert!(outcome.message.contains("nothing to delete"), "{}", outcome.message);
}

#[test]
fn failed_uninstall_does_not_block_deletion() {
    let Some(job) = Job::with_release("deployed") else { return };
    let outcome = job.fails("uninstall").run(&["delete"]);
    assert_eq!((outcome.code, outcome.calls), (Some(0), vec![UNINSTALL.to_owned()]));
    assert!(outcome.message.contains("helm uninstall failed"), "{}", outcome.message);
}

#[test]
fn other_revision_ends_the_job() {
    for action in ["install", "delete"] {
        let Some(job) = Job::with_release("deployed") else { return };
        let outcome = job.env("EXPECTED_RELEASE_REVISION", "2").run(&[action]);
        assert_eq!((outcome.code, outcome.calls), (Some(0), vec![]), "{action}");
        assert!(outcome.message.contains("has revision 3, not the expected 2"), "{}", outcome.message);
    }
}

#[test]
fn expected_revision_is_changed() {
    for (action, call) in [("install", UPGRADE), ("delete", UNINSTALL)] {
        let Some(job) = Job::with_release("deployed") else { return };
        let outcome = job.env("EXPECTED_RELEASE_REVISION", "3").run(&[action]);
        assert_eq!((outcome.code, outcome.calls), (Some(0), vec![call.to_owned()]));
    }
    let Some(job) = Job::new() else { return };
    assert_eq!(job.env("EXPECTED_RELEASE_REVISION", "0").install(), [INSTALL]);
}

#[test]
fn helm_finishes_when_the_pod_is_stopped() {
    let Some(job) = Job::with_release("failed") else { return };
    let job = job.file("answers/uninstall.signal", "");
    assert_eq!(job.install(), [UNINSTALL, INSTALL]);
}
