//! Plain HTTP, which crane must not use unasked: it would send passwords in the clear.
//!
//! By itself crane speaks it to private addresses that do not answer over HTTPS within 300 ms, and wherever a redirect
//! leads to (go-containerregistry, pkg/name/registry.go, `Scheme`; pkg/v1/remote/transport/ping.go). Go sends plain
//! HTTP through a proxy, except to this machine (golang.org/x/net/http/httpproxy, `useProxy`). So a proxy that does not
//! exist allows it to this machine only, and leaves HTTPS as it is.

use std::ffi::OsString;
use std::net::Ipv4Addr;

/// A proxy to which nothing can connect.
const NO_PROXY_SERVER: &str = "http://127.0.0.1:0";

/// Begins Go's error for a request to it.
pub const REFUSED: &str = "proxyconnect tcp: dial tcp 127.0.0.1:0:";

/// Returns the environment variables under which crane uses plain HTTP only for this machine.
pub fn forbidden(
    registry: &str,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Vec<(&'static str, OsString)> {
    let set = |names: [&str; 2]| names.into_iter().filter_map(&variable).find(|value| !value.is_empty());
    let exceptions = set(["NO_PROXY", "no_proxy"]).unwrap_or_default();
    let exceptions = exceptions.to_string_lossy();
    let https = set(["HTTPS_PROXY", "https_proxy"]).filter(|_| !is_excepted(registry, &exceptions));
    // Exceptions are for both protocols. If no proxy is used for HTTPS, there is nothing to except.
    let exceptions = if https.is_some() { format!("localhost,{exceptions}") } else { "localhost".to_owned() };
    let https = https.unwrap_or_default();
    vec![
        ("HTTP_PROXY", NO_PROXY_SERVER.into()),
        ("http_proxy", NO_PROXY_SERVER.into()),
        ("HTTPS_PROXY", https.clone()),
        ("https_proxy", https),
        ("NO_PROXY", exceptions.clone().into()),
        ("no_proxy", exceptions.into()),
    ]
}

/// Returns whether exceptions from proxies are for everything, or contain a registry at an IPv4 address, as Go
/// understands them.
fn is_excepted(registry: &str, exceptions: &str) -> bool {
    let host = |text: &str| text.split(':').next().unwrap_or_default().parse::<Ipv4Addr>().ok();
    let address = host(registry);
    exceptions.split(',').map(str::trim).any(|exception| {
        let (network, bits) = exception.split_once('/').unwrap_or((exception, "32"));
        match (address, host(network), bits.parse()) {
            (Some(address), Some(network), Ok(bits @ ..=32)) => {
                let host_bits = u32::MAX.checked_shr(bits).unwrap_or(0);
                (address.to_bits() ^ network.to_bits()) & !host_bits == 0
            }
            _ => exception == "*",
        }
    })
}

/// Returns an error of crane's without the attempt by plain HTTP that followed that by HTTPS.
pub fn without_attempt(error: &str) -> &str {
    let attempts = error.split_once("; Get \"http://");
    attempts.filter(|(_, plain)| plain.contains(REFUSED)).map_or(error, |(https, _)| https)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` for crane, with these of the user.
    fn proxies(registry: &str, https: &str, exceptions: &str) -> [String; 3] {
        let variable = |name: &str| match name {
            "https_proxy" => Some(https.into()),
            "NO_PROXY" => Some(exceptions.into()),
            "HTTP_PROXY" => Some("http://proxy.example".into()),
            _ => None,
        };
        let set = forbidden(registry, variable);
        for [upper, lower] in [[0, 1], [2, 3], [4, 5]] {
            assert_eq!(set[upper].0.to_lowercase(), set[lower].0);
            assert_eq!(set[upper].1, set[lower].1);
        }
        [0, 2, 4].map(|at: usize| set[at].1.to_str().unwrap().to_owned())
    }

    #[test]
    fn plain_http_has_no_way_out() {
        let none = "http://127.0.0.1:0";
        assert_eq!(proxies("10.9.8.7", "", "10.0.0.0/8,*"), [none, "", "localhost"]);
        let proxy = "http://proxy.example:3128";
        assert_eq!(proxies("10.9.8.7:5000", proxy, ".local"), [none, proxy, "localhost,.local"]);
        for exceptions in ["10.9.8.7", "x, 10.0.0.0/8", "10.9.8.7:5000", "0.0.0.0/0", "*", "10.9.8.6/31"] {
            assert_eq!(proxies("10.9.8.7:5000", proxy, exceptions), [none, "", "localhost"], "{exceptions}");
        }
        for exceptions in ["10.9.8.8", "10.9.8.8/31", "11.0.0.0/8", "10.0.0.0/33", "10.0.0.0/x", "7"] {
            let kept = format!("localhost,{exceptions}");
            assert_eq!(proxies("10.9.8.7:5000", proxy, exceptions), [none, proxy, &kept]);
        }
    }

    #[test]
    fn forbidden_attempt_is_left_out() {
        let https = "Get \"https://10.9.8.7/v2/\": http: server gave HTTP response to HTTPS client";
        let plain = format!("Get \"http://10.9.8.7/v2/\": {REFUSED} connect: connection refused");
        assert_eq!(without_attempt(&format!("{https}; {plain}")), https);
        assert_eq!(without_attempt(&plain), plain);
        let other = format!("{https}; Get \"http://10.9.8.7/v2/\": EOF");
        assert_eq!(without_attempt(&other), other);
    }
}
