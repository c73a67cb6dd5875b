//! Tests of reports: the page, measured in a browser, and the text at the terminal.

mod browser;
mod example;
#[path = "../support/needs.rs"]
mod needs;

mod page;
mod terminal;
