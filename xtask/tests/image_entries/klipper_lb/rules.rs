//! The rules that a container adds.

use super::container::Container;

const IPV4: [&str; 4] = [
    "iptables nat POSTROUTING -d 10.43.0.10/32 -p TCP -j MASQUERADE",
    "iptables nat PREROUTING -p TCP --dport 80 -j DNAT --to-destination 10.43.0.10:80",
    "iptables filter FORWARD -s 0.0.0.0/0 -p TCP --dport 80 -j ACCEPT",
    "iptables filter FORWARD -d 10.43.0.10/32 -p TCP --dport 80 -j DROP",
];

const IPV6: [&str; 4] = [
    "ip6tables nat POSTROUTING -d fd00:43::a/128 -p TCP -j MASQUERADE",
    "ip6tables nat PREROUTING -p TCP --dport 80 -j DNAT --to-destination [fd00:43::a]:80",
    "ip6tables filter FORWARD -s ::/0 -p TCP --dport 80 -j ACCEPT",
    "ip6tables filter FORWARD -d fd00:43::a/128 -p TCP --dport 80 -j DROP",
];

fn dual_stack() -> Option<Container> {
    Some(Container::new()?.env("SRC_RANGES", "0.0.0.0/0,::/0").env("DEST_IPS", "10.43.0.10,fd00:43::a"))
}

fn of_family<'a>(rules: &'a [String], family: &str) -> Vec<&'a str> {
    rules.iter().map(String::as_str).filter(|rule| rule.starts_with(&format!("{family} "))).collect()
}

#[test]
fn ipv4_port_is_forwarded() {
    let Some(container) = Container::new() else { return };
    let outcome = container.run();
    assert_eq!(outcome.rules, IPV4);
    assert_eq!(outcome.code, Some(0));
    assert!(outcome.output.contains("TCP port 80 is forwarded to 10.43.0.10:80\n"), "{outcome:#?}");
}

#[test]
fn ipv6_port_is_forwarded() {
    let Some(container) = Container::new() else { return };
    let outcome = container.env("SRC_RANGES", "::/0").env("DEST_IPS", "fd00:43::a").run();
    assert_eq!(outcome.rules, IPV6);
    assert_eq!(outcome.code, Some(0));
    assert!(outcome.output.contains("forwarded to [fd00:43::a]:80\n"), "{outcome:#?}");
}

#[test]
fn both_families_are_forwarded() {
    let Some(container) = dual_stack() else { return };
    let outcome = container.run();
    assert_eq!(of_family(&outcome.rules, "iptables"), IPV4);
    assert_eq!(of_family(&outcome.rules, "ip6tables"), IPV6);
    assert_eq!(outcome.rules.len(), 8, "{outcome:#?}");
}

/// k3s before v1.29.
#[test]
fn lists_may_be_separated_by_spaces() {
    let Some(container) = dual_stack() else { return };
    let outcome =
        container.env("SRC_RANGES", "0.0.0.0/0 ::/0").env("DEST_IPS", "10.43.0.10 fd00:43::a").run();
    assert_eq!(of_family(&outcome.rules, "iptables"), IPV4);
    assert_eq!(of_family(&outcome.rules, "ip6tables"), IPV6);
}

#[test]
fn source_outside_of_ranges_is_dropped() {
    let Some(container) = Container::new() else { return };
    let outcome = container.env("SRC_RANGES", "10.0.0.0/8,192.168.1.0/24").run();
    let forward = [
        "iptables filter FORWARD -s 192.168.1.0/24 -p TCP --dport 80 -j ACCEPT",
        "iptables filter FORWARD -s 10.0.0.0/8 -p TCP --dport 80 -j ACCEPT",
        "iptables filter FORWARD -d 10.43.0.10/32 -p TCP --dport 80 -j DROP",
    ];
    assert_eq!(outcome.chain("FORWARD"), forward);
}

#[test]
fn family_without_range_is_dropped() {
    let Some(container) = dual_stack() else { return };
    let outcome = container.env("SRC_RANGES", "10.0.0.0/8").run();
    let forward = [
        "iptables filter FORWARD -s 10.0.0.0/8 -p TCP --dport 80 -j ACCEPT",
        "iptables filter FORWARD -d 10.43.0.10/32 -p TCP --dport 80 -j DROP",
        "ip6tables filter FORWARD -d fd00:43::a/128 -p TCP --dport 80 -j DROP",
    ];
    assert_eq!(outcome.chain("FORWARD"), forward);
}

#[test]
fn range_of_family_without_address_is_left_out() {
    let Some(container) = Container::new() else { return };
    let outcome = container.env("SRC_RANGES", "0.0.0.0/0,::/0").run();
    assert_eq!(outcome.rules, IPV4);
    assert!(!outcome.calls.iter().any(|call| call.starts_with("ip6tables")), "{outcome:#?}");
}

/// k3s before v1.25.
#[test]
fn without_ranges_every_source_is_accepted() {
    let Some(container) = dual_stack() else { return };
    let outcome = container.without("SRC_RANGES").run();
    assert_eq!(of_family(&outcome.rules, "iptables"), IPV4);
    assert_eq!(of_family(&outcome.rules, "ip6tables"), IPV6);
}

#[test]
fn sources_are_dropped_before_any_is_forwarded() {
    let Some(container) = Container::new() else { return };
    let outcome = container.run();
    let position = |words: &str| outcome.calls.iter().position(|call| call.contains(words)).unwrap();
    assert!(position("-A FORWARD -d 10.43.0.10") < position("-I PREROUTING"), "{outcome:#?}");
}

#[test]
fn node_port_differs_from_service_port() {
    let Some(container) = Container::new() else { return };
    let outcome = container.env("DEST_PORT", "30080").env("DEST_IPS", "192.168.1.5").run();
    let rules = [
        "iptables nat POSTROUTING -d 192.168.1.5/32 -p TCP -j MASQUERADE",
        "iptables nat PREROUTING -p TCP --dport 80 -j DNAT --to-destination 192.168.1.5:30080",
        "iptables filter FORWARD -s 0.0.0.0/0 -p TCP --dport 30080 -j ACCEPT",
        "iptables filter FORWARD -d 192.168.1.5/32 -p TCP --dport 30080 -j DROP",
    ];
    assert_eq!(outcome.rules, rules);
    assert_eq!(outcome.code, Some(0));
}

#[test]
fn rules_are_for_the_protocol() {
    for protocol in ["UDP", "SCTP"] {
        let Some(container) = Container::new() else { return };
        let outcome = container.env("DEST_PROTO", protocol).run();
        assert_eq!(outcome.rules, IPV4.map(|rule| rule.replace("TCP", protocol)));
        assert!(outcome.calls.iter().all(|call| call.contains(&format!(" -p {protocol} "))), "{outcome:#?}");
    }
}

/// As upstream's entry does.
#[test]
fn last_address_of_a_family_receives_packets() {
    let Some(container) = Container::new() else { return };
    let outcome = container.env("DEST_IPS", "10.43.0.10,10.43.0.11").run();
    let prerouting = [
        "iptables nat PREROUTING -p TCP --dport 80 -j DNAT --to-destination 10.43.0.11:80",
        "iptables nat PREROUTING -p TCP --dport 80 -j DNAT --to-destination 10.43.0.10:80",
    ];
    assert_eq!(outcome.chain("PREROUTING"), prerouting);
    assert_eq!(outcome.chain("POSTROUTING").len(), 2);
    assert_eq!(outcome.chain("FORWARD").len(), 3);
}

#[test]
fn restart_adds_no_rule() {
    let Some(container) = dual_stack() else { return };
    let first = container.run();
    let second = container.run();
    assert_eq!(first.rules.len(), 8, "{first:#?}");
    assert_eq!(second.rules, first.rules);
    assert_eq!(second.code, Some(0));
}

#[test]
fn restart_adds_what_an_interrupted_start_did_not() {
    let Some(container) = Container::new() else { return };
    let outcome =
        container.file("tmp/rules", &format!("{}\n", IPV4[2].replace("iptables", "iptables-nft"))).run();
    assert_eq!(outcome.rules, IPV4);
}

#[test]
fn port_of_another_container_stays() {
    let Some(container) = Container::new() else { return };
    container.run();
    let outcome = container.env("SRC_PORT", "443").env("DEST_PORT", "443").run();
    assert_eq!(outcome.chain("PREROUTING").len(), 2);
    assert_eq!(outcome.chain("FORWARD").len(), 4);
    // The same for both ports.
    assert_eq!(outcome.chain("POSTROUTING"), [IPV4[0]]);
}
