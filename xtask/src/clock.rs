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
