//! The choice between nf_tables and the older interface of the kernel.

use super::container::{Container, Outcome};

/// Calls that remove a rule: only those of the choice do.
fn removed(outcome: &Outcome) -> Vec<&str> {
    outcome.calls.iter().map(String::as_str).filter(|call| call.contains(" -D ")).collect()
}

fn backends(outcome: &Outcome, family: &str) -> Vec<String> {
    let mut used: Vec<_> =
        outcome.rules.iter().filter_map(|rule| rule.split(' ').next()).map(str::to_owned).collect();
    used.retain(|program| program.starts_with(family));
    used.dedup();
    used
}

#[test]
fn nf_tables_is_preferred() {
    let Some(container) = Container::new() else { return };
    let outcome = container.run();
    assert!(outcome.calls.iter().all(|call| call.starts_with("iptables-nft -w ")), "{outcome:#?}");
    assert!(outcome.output.contains("iptables-nft is used"), "{outcome:#?}");
}

#[test]
fn each_kind_of_rule_is_tried_and_removed() {
    let Some(container) = Container::new() else { return };
    let outcome = container.env("DEST_IPS", "10.43.0.10,fd00:43::a").run();
    let expected = [
        "iptables-nft -w -t filter -D FORWARD -s 192.0.2.1 -p TCP --dport 80 -j DROP",
        "iptables-nft -w -t nat -D PREROUTING -s 192.0.2.1 -p TCP --dport 80 -j DNAT --to-destination 192.0.2.1:1",
        "iptables-nft -w -t nat -D POSTROUTING -s 192.0.2.1 -p TCP --dport 80 -j MASQUERADE",
        "ip6tables-nft -w -t filter -D FORWARD -s 2001:db8::1 -p TCP --dport 80 -j DROP",
        "ip6tables-nft -w -t nat -D PREROUTING -s 2001:db8::1 -p TCP --dport 80 -j DNAT --to-destination [2001:db8::1]:1",
        "ip6tables-nft -w -t nat -D POSTROUTING -s 2001:db8::1 -p TCP --dport 80 -j MASQUERADE",
    ];
    assert_eq!(removed(&outcome), expected);
    for call in expected {
        assert!(outcome.calls.contains(&call.replace(" -D ", " -A ")), "{call}: {outcome:#?}");
    }
}

/// Rules that several containers remove at once are a failure for all but one of them.
#[test]
fn tried_rules_differ_between_ports() {
    let tried = |port| {
        let outcome = Container::new()?.env("SRC_PORT", port).run();
        Some(removed(&outcome).into_iter().map(str::to_owned).collect::<Vec<_>>())
    };
    let (Some(one), Some(other)) = (tried("80"), tried("443")) else { return };
    assert_eq!((one.len(), other.len()), (3, 3));
    assert!(one.iter().all(|call| !other.contains(call)), "{one:#?} {other:#?}");
}

#[test]
fn legacy_is_used_where_nf_tables_takes_no_rule() {
    let Some(container) = Container::new() else { return };
    let outcome = container.fails("^iptables-nft ").run();
    assert_eq!(outcome.code, Some(0), "{outcome:#?}");
    assert_eq!(backends(&outcome, "iptables"), ["iptables-legacy"]);
    assert_eq!(outcome.rules.len(), 4, "{outcome:#?}");
    let message =
        "iptables-legacy is used\n  iptables-nft: iptables-nft: No chain/target/match by that name\n";
    assert!(outcome.output.contains(message), "{outcome:#?}");
}

#[test]
fn legacy_is_used_where_nf_tables_misses_a_kind() {
    for kind in ["-t filter -A FORWARD", "-j DNAT", "-j MASQUERADE"] {
        let Some(container) = Container::new() else { return };
        let outcome = container.fails(&format!("^iptables-nft .*{kind}")).run();
        assert_eq!(outcome.code, Some(0), "{kind}: {outcome:#?}");
        assert_eq!(backends(&outcome, "iptables"), ["iptables-legacy"], "{kind}");
    }
}

#[test]
fn backend_is_chosen_for_each_family() {
    let Some(container) = Container::new() else { return };
    let container = container.env("SRC_RANGES", "0.0.0.0/0,::/0").env("DEST_IPS", "10.43.0.10,fd00:43::a");
    let outcome = container.fails("^ip6tables-nft ").run();
    assert_eq!(outcome.code, Some(0), "{outcome:#?}");
    assert_eq!(backends(&outcome, "iptables"), ["iptables"]);
    assert_eq!(backends(&outcome, "ip6tables"), ["ip6tables-legacy"]);
}

#[test]
fn fails_where_neither_backend_works() {
    let Some(container) = Container::new() else { return };
    let outcome = container.fails("^iptables-").run();
    assert_eq!(outcome.code, Some(1), "{outcome:#?}");
    // One rule of each backend is tried, and no other.
    assert_eq!(outcome.calls.len(), 2, "{outcome:#?}");
    for text in [
        "neither iptables-nft nor iptables-legacy can add rules\n",
        "\n  iptables-nft: iptables-nft: No chain/target/match by that name\n",
        "\n  iptables-legacy: iptables-legacy: No chain/target/match by that name\n",
        "capability NET_ADMIN",
        "iptable_filter and iptable_nat",
    ] {
        assert!(outcome.output.contains(text), "{text:?}: {outcome:#?}");
    }
}

/// /dev/shm is shared, /run is not (containerd, internal/cri, `sandboxDevShm`).
#[test]
fn containers_of_a_pod_share_a_lock_file() {
    let Some(container) = Container::new() else { return };
    let outcome = container.run();
    assert_eq!(outcome.code, Some(0), "{outcome:#?}");
    assert_eq!(container.root.read("tmp/lock-file"), "/dev/shm/xtables.lock\n");
}
