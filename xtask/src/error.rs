//! How an error is told at the terminal.

/// An error and its causes, outermost first, one below the other.
pub fn story(error: &anyhow::Error) -> String {
    let mut told: Vec<String> = Vec::new();
    for cause in error.chain().map(|cause| cause.to_string()) {
        // Some libraries repeat their cause in their own message.
        if told.last().is_none_or(|last| !last.contains(&cause)) {
            told.push(cause);
        }
    }
    told.join("\n  because: ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_told_once_and_in_order() {
        let error = anyhow::anyhow!("no space").context("no space").context("writing x");
        assert_eq!(story(&error), "writing x\n  because: no space");
    }
}
