//! The clock that retries use.

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
    fn writes_changelog_days() {
        assert_eq!(changelog_day(0), "Thu Jan 01 1970");
        assert_eq!(changelog_day(1_735_689_600), "Wed Jan 01 2025");
        assert_eq!(changelog_day(951_827_696), "Tue Feb 29 2000");
    }
}
