//! Tests of the report of a build: its page, measured in a browser, and its text at the terminal.

mod browser;
mod example;
#[path = "../support/needs.rs"]
mod needs;

mod page;
mod terminal;
