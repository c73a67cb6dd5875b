//! The time that retries wait by.

use std::time::{Duration, SystemTime};

/// A clock, which a test replaces by one that does not wait.
pub trait Clock: Send + Sync {
    fn now(&self) -> SystemTime;
    fn wait(&self, pause: Duration);
}

/// The machine's own.
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn wait(&self, pause: Duration) {
        std::thread::sleep(pause);
    }
}
