//! The meaning of an answer's status and headers (RFC 9110), as far as a download depends on them.

use std::time::{Duration, SystemTime};

/// The headers of an answer that decide what is done with it.
#[derive(Clone, Debug, Default)]
pub struct Answer<'a> {
    pub status: u16,
    pub content_range: Option<&'a str>,
    pub content_encoding: Option<&'a str>,
    pub retry_after: Option<&'a str>,
    /// GitHub's: how many requests are left, and when there will be more, in seconds since 1970.
    pub remaining: Option<&'a str>,
    pub reset: Option<&'a str>,
}

/// The use that is made of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its body is the whole file.
    Whole,
    /// Its body is the rest of the file.
    Rest,
    /// The bytes that arrived are of no use: the next attempt begins again.
    StartOver(&'static str),
    /// The server is overloaded; the next attempt comes after the usual pause.
    Retry,
    /// The server limits how often it is asked, and names the time to wait.
    Limited(Duration),
    /// Another attempt cannot help.
    Refused(String),
}

impl Answer<'_> {
    /// Judges the answer to a request for everything behind the first `have` bytes.
    pub fn verdict(&self, have: u64, now: SystemTime) -> Verdict {
        if let Some(encoding) = self.content_encoding
            && !encoding.trim().eq_ignore_ascii_case("identity")
        {
            return Verdict::Refused(format!("the server sent it in the encoding {encoding:?}, unasked"));
        }
        match self.status {
            200 => Verdict::Whole,
            206 if have == 0 => Verdict::Refused("the server sent a part of the file, unasked".to_owned()),
            206 if self.begin() == Some(have) => Verdict::Rest,
            206 => Verdict::StartOver("the server sent another part of the file than the one asked for"),
            416 => Verdict::StartOver("the part that had arrived does not fit"),
            403 | 429 | 500..=599 => match self.wait(now) {
                Some(wait) => Verdict::Limited(wait),
                None if self.status == 403 => Verdict::Refused("the server answered 403".to_owned()),
                None => Verdict::Retry,
            },
            404 => Verdict::Refused("the server answered 404: there is no such file".to_owned()),
            status => Verdict::Refused(format!("the server answered {status}")),
        }
    }

    /// The position of the body's first byte: `bytes 20-99/100`.
    fn begin(&self) -> Option<u64> {
        let range = self.content_range?.trim().strip_prefix("bytes ")?;
        range.split_once('-')?.0.trim().parse().ok()
    }

    /// The time until the server wants to be asked again: `Retry-After` in seconds or as a date, or the end of
    /// GitHub's period where no request is left in it.
    fn wait(&self, now: SystemTime) -> Option<Duration> {
        if let Some(text) = self.retry_after.map(str::trim) {
            if let Ok(seconds) = text.parse() {
                return Some(Duration::from_secs(seconds));
            }
            if let Ok(date) = httpdate::parse_http_date(text) {
                return Some(date.duration_since(now).unwrap_or_default());
            }
        }
        if self.remaining?.trim() != "0" {
            return None;
        }
        let reset =
            SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(self.reset?.trim().parse().ok()?))?;
        Some(reset.duration_since(now).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000;

    fn verdict(answer: Answer, have: u64) -> Verdict {
        answer.verdict(have, SystemTime::UNIX_EPOCH + Duration::from_secs(NOW))
    }

    fn limited(seconds: u64) -> Verdict {
        Verdict::Limited(Duration::from_secs(seconds))
    }

    #[test]
    fn only_the_rest_that_was_asked_for_is_appended() {
        let part = |content_range| Answer { status: 206, content_range, ..Answer::default() };
        assert_eq!(verdict(part(Some("bytes 20-99/100")), 20), Verdict::Rest);
        for range in [Some("bytes 0-99/100"), Some("bytes 21-99/100"), Some("lines 20-99"), None] {
            assert!(matches!(verdict(part(range), 20), Verdict::StartOver(_)), "{range:?}");
        }
        assert!(matches!(verdict(part(Some("bytes 0-99/100")), 0), Verdict::Refused(_)));
    }

    #[test]
    fn both_forms_of_retry_after_are_read() {
        for status in [403, 429, 503] {
            let asks = |retry_after| Answer { status, retry_after, ..Answer::default() };
            assert_eq!(verdict(asks(Some("120")), 0), limited(120));
            // 40 seconds after `NOW`.
            assert_eq!(verdict(asks(Some("Tue, 14 Nov 2023 22:14:00 GMT")), 0), limited(40));
            assert_eq!(verdict(asks(Some("Tue, 14 Nov 2023 22:13:00 GMT")), 0), limited(0));
        }
    }

    #[test]
    fn githubs_rate_limit_is_read() {
        let reset = (NOW + 1800).to_string();
        let github = |remaining| Answer { status: 403, remaining, reset: Some(&reset), ..Answer::default() };
        assert_eq!(verdict(github(Some("0")), 0), limited(1800));
        assert_eq!(verdict(github(Some("59")), 0), Verdict::Refused("the server answered 403".to_owned()));
    }

    #[test]
    fn a_limit_that_cannot_be_read_is_a_plain_failure() {
        let asks = |retry_after| Answer { status: 503, retry_after, ..Answer::default() };
        assert_eq!(verdict(asks(Some("soon")), 0), Verdict::Retry);
        assert_eq!(verdict(asks(None), 0), Verdict::Retry);
        let reset = Some("99999999999999999999");
        let github = Answer { status: 403, remaining: Some("0"), reset, ..Answer::default() };
        assert!(matches!(verdict(github, 0), Verdict::Refused(_)));
    }

    #[test]
    fn a_body_in_an_encoding_is_refused() {
        let encoded =
            |encoding| Answer { status: 200, content_encoding: Some(encoding), ..Answer::default() };
        assert!(matches!(verdict(encoded("gzip"), 0), Verdict::Refused(_)));
        assert_eq!(verdict(encoded("identity"), 0), Verdict::Whole);
    }
}
