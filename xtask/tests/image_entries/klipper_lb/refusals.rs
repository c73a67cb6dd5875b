//! Containers that cannot forward.

use super::container::{Container, Outcome};

#[track_caller]
fn expect_failure(outcome: &Outcome, text: &str) {
    assert_eq!(outcome.code, Some(1), "{outcome:#?}");
    assert!(outcome.output.contains(text), "{text:?}: {outcome:#?}");
    assert!(!outcome.output.contains("sleep"), "{outcome:#?}");
}

#[test]
fn missing_variable_is_an_error() {
    for name in ["SRC_PORT", "DEST_PROTO", "DEST_PORT", "DEST_IPS"] {
        let Some(container) = Container::new() else { return };
        let outcome = container.without(name).run();
        expect_failure(
            &outcome,
            &format!("[ERROR] variables of the environment are missing or empty: {name}\n"),
        );
        assert!(outcome.calls.is_empty(), "{outcome:#?}");
    }
}

#[test]
fn empty_variable_is_an_error() {
    for name in ["SRC_PORT", "SRC_RANGES", "DEST_PROTO", "DEST_PORT", "DEST_IPS"] {
        let Some(container) = Container::new() else { return };
        let outcome = container.env(name, "").run();
        expect_failure(&outcome, &format!("missing or empty: {name}\n"));
        assert!(outcome.calls.is_empty(), "{outcome:#?}");
    }
}

#[test]
fn all_missing_variables_are_named() {
    let Some(container) = Container::new() else { return };
    let outcome = container.without("SRC_PORT").without("DEST_PORT").run();
    expect_failure(&outcome, "missing or empty: SRC_PORT DEST_PORT\n");
}

#[test]
fn family_that_is_not_forwarded_is_left_out() {
    let both = || {
        Some(Container::new()?.env("SRC_RANGES", "0.0.0.0/0,::/0").env("DEST_IPS", "10.43.0.10,fd00:43::a"))
    };
    for (sysctl, address, left_out) in [
        ("net/ipv4/ip_forward", "10.43.0.10", "iptables-"),
        ("net/ipv6/conf/all/forwarding", "fd00:43::a", "ip6tables-"),
    ] {
        let Some(container) = both() else { return };
        let outcome = container.sysctl(sysctl, "0").run();
        assert_eq!(outcome.code, Some(0), "{outcome:#?}");
        assert_eq!(outcome.rules.len(), 4, "{outcome:#?}");
        assert!(!outcome.calls.iter().any(|call| call.starts_with(left_out)), "{outcome:#?}");
        let message = format!("not forwarded to {address}: /proc/sys/{sysctl} is '0', not 1\n");
        assert!(outcome.output.contains(&message), "{outcome:#?}");
    }
}

/// A kernel that was started with `ipv6.disable=1`.
#[test]
fn family_missing_in_the_kernel_is_left_out() {
    let Some(container) = Container::new() else { return };
    let container = container.env("DEST_IPS", "10.43.0.10,fd00:43::a");
    fs_err::remove_file(container.root.path("proc/sys/net/ipv6/conf/all/forwarding")).unwrap();
    let outcome = container.run();
    assert_eq!(outcome.code, Some(0), "{outcome:#?}");
    assert_eq!(outcome.rules.len(), 4, "{outcome:#?}");
    assert!(outcome.output.contains("/proc/sys/net/ipv6/conf/all/forwarding is '', not 1\n"), "{outcome:#?}");
}

#[test]
fn fails_when_nothing_can_be_forwarded() {
    let Some(container) = Container::new() else { return };
    let outcome = container.sysctl("net/ipv4/ip_forward", "0").run();
    expect_failure(&outcome, "[ERROR] nothing is forwarded to any of 10.43.0.10\n");
}

#[test]
fn refused_rule_is_an_error() {
    for (kind, rule) in [
        ("-j ACCEPT", "-t filter -I FORWARD -s 0.0.0.0/0 -p TCP --dport 80 -j ACCEPT"),
        ("-d 10.43.0.10/32 .* -j DROP", "-t filter -A FORWARD -d 10.43.0.10/32 -p TCP --dport 80 -j DROP"),
        (
            "--to-destination 10.43",
            "-t nat -I PREROUTING -p TCP --dport 80 -j DNAT --to-destination 10.43.0.10:80",
        ),
        ("-d 10.43.0.10/32 .*MASQ", "-t nat -I POSTROUTING -d 10.43.0.10/32 -p TCP -j MASQUERADE"),
    ] {
        let Some(container) = Container::new() else { return };
        let outcome = container.fails(kind).run();
        let message =
            format!("[ERROR] iptables-nft cannot add the rule '{rule}': iptables-nft: No chain/target/match");
        expect_failure(&outcome, &message);
    }
}
