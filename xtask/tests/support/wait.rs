//! Waiting for a child process or the kernel.

use std::time::Duration;

/// Asks until there is an answer. There is no timeout, which a busy machine would exceed one day: `cargo xtask test`
/// ends a test program that hangs, and the log names the test that was still running.
pub fn until<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
