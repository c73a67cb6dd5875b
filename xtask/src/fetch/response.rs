//! The meaning of an HTTP response's status and headers (RFC 9110) for a download.

use anyhow::anyhow;
use std::time::{Duration, SystemTime};

/// The status and headers of a response that decide what is done with it.
#[derive(Clone, Debug, Default)]
pub struct Head<'a> {
    pub status: u16,
    pub content_range: Option<&'a str>,
    pub content_encoding: Option<&'a str>,
    pub retry_after: Option<&'a str>,
    /// GitHub's number of requests that are left, and the time of the next ones in seconds since 1970.
    pub remaining: Option<&'a str>,
    pub reset: Option<&'a str>,
}

/// Content of a response's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// The whole file.
    Whole,
    /// The rest of the file.
    Rest,
}

/// Reason why an attempt did not succeed.
#[derive(Debug)]
pub enum Failure {
    /// Another attempt may succeed: the connection broke, the server is overloaded.
    Passing(anyhow::Error),
    /// The bytes that arrived are of no use: the next attempt begins again.
    StartOver(&'static str),
    /// The server limits requests, and names the time to wait.
    Limited(Duration),
    /// Another attempt cannot succeed: the file is not there, the certificate is not trusted.
    Final(anyhow::Error),
}

impl Failure {
    pub fn into_error(self) -> anyhow::Error {
        match self {
            Failure::Passing(error) | Failure::Final(error) => error,
            Failure::StartOver(reason) => anyhow!("{reason}; starting over"),
            Failure::Limited(wait) => anyhow!(
                "the server limits requests; the next one is allowed in {} s\n  \
                 Run this again then, or name a mirror: K3S_XTASK_MIRROR=https://mirror/…",
                wait.as_secs()
            ),
        }
    }
}

impl Head<'_> {
    /// Returns the body's content, given a request for everything behind the first `have` bytes.
    pub fn body(&self, have: u64, now: SystemTime) -> Result<Body, Failure> {
        if let Some(encoding) = self.content_encoding
            && !encoding.trim().eq_ignore_ascii_case("identity")
        {
            return Err(Failure::Final(anyhow!(
                "the server sent Content-Encoding {encoding:?}, which was not requested"
            )));
        }
        let answered = || anyhow!("the server answered {}", self.status);
        match self.status {
            200 => Ok(Body::Whole),
            206 if have == 0 => Err(Failure::Final(anyhow!(
                "the server sent a partial response (206), which was not requested"
            ))),
            206 if self.begin() == Some(have) => Ok(Body::Rest),
            206 => Err(Failure::StartOver("the server sent another part of the file than the one asked for")),
            416 => Err(Failure::StartOver("the server rejects the range after the partial download")),
            403 | 429 | 500..=599 => Err(match self.wait(now) {
                Some(wait) => Failure::Limited(wait),
                None if self.status == 403 => Failure::Final(answered()),
                None => Failure::Passing(answered()),
            }),
            404 => Err(Failure::Final(anyhow!("the server answered 404: there is no such file"))),
            _ => Err(Failure::Final(answered())),
        }
    }

    /// Returns the position of the body's first byte: `bytes 20-99/100`.
    fn begin(&self) -> Option<u64> {
        let range = self.content_range?.trim().strip_prefix("bytes ")?;
        range.split_once('-')?.0.trim().parse().ok()
    }

    /// Returns the time until the next request is allowed: `Retry-After` in seconds or as a date, or the end of
    /// GitHub's period if no request is left in it.
    fn wait(&self, now: SystemTime) -> Option<Duration> {
        if let Some(wait) = self.retry_after.and_then(|text| retry_after(text, now)) {
            return Some(wait);
        }
        if self.remaining?.trim() != "0" {
            return None;
        }
        let reset =
            SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(self.reset?.trim().parse().ok()?))?;
        Some(reset.duration_since(now).unwrap_or_default())
    }
}

/// Returns the wait that a header `Retry-After` asks for, in seconds or until a date.
pub fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000;

    fn body(head: Head, have: u64) -> Result<Body, Failure> {
        head.body(have, SystemTime::UNIX_EPOCH + Duration::from_secs(NOW))
    }

    #[track_caller]
    fn assert_limited(head: Head, seconds: u64) {
        let wait = Duration::from_secs(seconds);
        assert!(matches!(body(head, 0), Err(Failure::Limited(found)) if found == wait));
    }

    #[test]
    fn appends_only_the_requested_rest() {
        let part = |content_range| Head { status: 206, content_range, ..Head::default() };
        assert_eq!(body(part(Some("bytes 20-99/100")), 20).unwrap(), Body::Rest);
        for range in [Some("bytes 0-99/100"), Some("bytes 21-99/100"), Some("lines 20-99"), None] {
            assert!(matches!(body(part(range), 20), Err(Failure::StartOver(_))), "{range:?}");
        }
        assert!(matches!(body(part(Some("bytes 0-99/100")), 0), Err(Failure::Final(_))));
    }

    #[test]
    fn reads_both_forms_of_retry_after() {
        for status in [403, 429, 503] {
            let asks = |retry_after| Head { status, retry_after, ..Head::default() };
            assert_limited(asks(Some("120")), 120);
            // 40 seconds after `NOW`.
            assert_limited(asks(Some("Tue, 14 Nov 2023 22:14:00 GMT")), 40);
            assert_limited(asks(Some("Tue, 14 Nov 2023 22:13:00 GMT")), 0);
        }
    }

    #[test]
    fn reads_rate_limit_of_github() {
        let reset = (NOW + 1800).to_string();
        let github = |remaining| Head { status: 403, remaining, reset: Some(&reset), ..Head::default() };
        assert_limited(github(Some("0")), 1800);
        let failure = body(github(Some("59")), 0).unwrap_err();
        assert!(matches!(&failure, Failure::Final(_)));
        assert_eq!(failure.into_error().to_string(), "the server answered 403");
    }

    #[test]
    fn ignores_unreadable_limits() {
        let asks = |retry_after| Head { status: 503, retry_after, ..Head::default() };
        assert!(matches!(body(asks(Some("soon")), 0), Err(Failure::Passing(_))));
        assert!(matches!(body(asks(None), 0), Err(Failure::Passing(_))));
        let reset = Some("99999999999999999999");
        let github = Head { status: 403, remaining: Some("0"), reset, ..Head::default() };
        assert!(matches!(body(github, 0), Err(Failure::Final(_))));
    }

    #[test]
    fn rejects_encoded_body() {
        let encoded = |encoding| Head { status: 200, content_encoding: Some(encoding), ..Head::default() };
        assert!(matches!(body(encoded("gzip"), 0), Err(Failure::Final(_))));
        assert_eq!(body(encoded("identity"), 0).unwrap(), Body::Whole);
    }
}
