//! Text in a file that has to say something.

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
