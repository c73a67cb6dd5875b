//! Names of container images, in the form containerd looks them up by.

use anyhow::Result;

/// placeholder
pub struct Reference(String);
impl Reference {
    pub fn parse(text: &str) -> Result<Reference> {
        Ok(Reference(text.into()))
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
