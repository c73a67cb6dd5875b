//! Text in JSON: prose, which has to say something, and values that are written as text.

use anyhow::{Result, ensure};
use serde::Deserialize;
use std::ops::Deref;

/// A text that is not blank.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Prose(String);

impl TryFrom<String> for Prose {
    type Error = anyhow::Error;

    fn try_from(text: String) -> Result<Prose> {
        ensure!(!text.trim().is_empty(), "this text has to say something");
        Ok(Prose(text))
    }
}

impl Deref for Prose {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// Reads a type from JSON as it is parsed from text, and writes it as it is displayed; with
/// `#[serde(try_from = "String", into = "String")]`.
#[macro_export]
macro_rules! text_in_json {
    ($type:ty) => {
        impl TryFrom<String> for $type {
            type Error = anyhow::Error;

            fn try_from(text: String) -> anyhow::Result<$type> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(value: $type) -> String {
                value.to_string()
            }
        }
    };
}
pub use text_in_json;
