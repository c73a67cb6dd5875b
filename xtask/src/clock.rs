//! The clock that retries use, and times as others write them.

use anyhow::{Error, Result, bail};
use serde::Deserialize;
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

/// A clock, which a test replaces by one that does not wait.
pub trait Clock: Send + Sync {
    fn now(&self) -> SystemTime;
    fn wait(&self, pause: Duration);
}

/// The system's clock.
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn wait(&self, pause: Duration) {
        std::thread::sleep(pause);
    }
}

/// Returns a time in seconds since 1970.
pub fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// Returns a time, in seconds since 1970, as HTTP writes it: `Thu, 01 Jan 1970 00:00:00 GMT`.
pub fn http_date(seconds: i64) -> String {
    let seconds = u64::try_from(seconds.min(END_OF_9999)).unwrap_or_default();
    httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

/// The last second that HTTP can write.
const END_OF_9999: i64 = 253_402_300_799;

/// Returns a time as upstream's scripts print it: `1970-01-01T00:00:00Z`.
pub fn rfc3339(seconds: i64) -> String {
    let date = http_date(seconds);
    let months = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let month = months.find(&date[8..11]).unwrap_or_default() / 3 + 1;
    format!("{}-{month:02}-{}T{}Z", &date[12..16], &date[5..7], &date[17..25])
}

/// A day in UTC: `2026-11-26`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Day(String);

impl Day {
    pub fn of(time: SystemTime) -> Day {
        Day(rfc3339(seconds(time))[.."1970-01-01".len()].to_owned())
    }
}

impl TryFrom<String> for Day {
    type Error = Error;

    fn try_from(text: String) -> Result<Day> {
        let form = |(at, c): (usize, char)| if at == 4 || at == 7 { c == '-' } else { c.is_ascii_digit() };
        if text.len() != "1970-01-01".len() || !text.char_indices().all(form) {
            bail!("{text:?} is not a day of the form 2026-11-26");
        }
        Ok(Day(text))
    }
}

impl FromStr for Day {
    type Err = Error;

    fn from_str(text: &str) -> Result<Day> {
        text.to_owned().try_into()
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns the day of a time in the form of a changelog entry: `Thu Jan 01 1970`.
pub fn changelog_day(seconds: i64) -> String {
    let date = http_date(seconds);
    format!("{} {} {} {}", &date[..3], &date[8..11], &date[5..7], &date[12..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_times_in_utc() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(951_827_696), "2000-02-29T12:34:56Z");
        assert_eq!(rfc3339(1_767_225_599), "2025-12-31T23:59:59Z");
    }

    #[test]
    fn days_are_of_one_form() {
        assert_eq!(Day::of(SystemTime::UNIX_EPOCH).to_string(), "1970-01-01");
        assert!("2027-02-28".parse::<Day>().unwrap() < "2027-10-01".parse().unwrap());
        for text in ["2027-2-28", "28.02.2027", "2027-02-28T00", "2027/02/28", ""] {
            assert!(text.parse::<Day>().is_err(), "{text}");
        }
    }

    #[test]
    fn writes_changelog_days() {
        assert_eq!(changelog_day(0), "Thu Jan 01 1970");
        assert_eq!(changelog_day(1_735_689_600), "Wed Jan 01 2025");
        assert_eq!(changelog_day(951_827_696), "Tue Feb 29 2000");
    }
}
