//! The report of a build: its page, measured in a browser, and what is said at the terminal.

mod browser;
mod example;
#[expect(dead_code, reason = "a browser has several names, of which one is enough")]
#[path = "../support/needs.rs"]
mod needs;

mod page;
mod terminal;
