//! Formatting and collecting of errors.

use crate::url::without_credentials;
use anyhow::{Result, anyhow};
use std::collections::BTreeSet;

/// Formats an error and its causes, outermost first, one below the other, without the credentials of any URL.
pub fn chain(error: &anyhow::Error) -> String {
    let mut messages: Vec<String> = Vec::new();
    for cause in error.chain().map(|cause| cause.to_string()) {
        // Some libraries repeat their cause in their own message.
        if messages.last().is_none_or(|last| !last.contains(&cause)) {
            messages.push(cause);
        }
    }
    without_credentials(&messages.join("\n  because: "))
}

/// Returns all values, or all errors as one, so that they can be fixed in one go. Each is reported once.
pub fn all<T>(results: impl IntoIterator<Item = Result<T>>) -> Result<Vec<T>> {
    let (mut values, mut errors) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(value) => values.push(value),
            Err(error) => errors.push(error),
        }
    }
    let mut seen = BTreeSet::new();
    errors.retain(|error| seen.insert(chain(error)));
    match errors.len() {
        0 => Ok(values),
        1 => Err(errors.remove(0)),
        _ => Err(together(&errors)),
    }
}

fn together(errors: &[anyhow::Error]) -> anyhow::Error {
    let messages: Vec<String> = errors.iter().map(|error| format!("- {}", chain(error))).collect();
    anyhow!("{} things are missing\n{}", errors.len(), messages.join("\n"))
}

/// Returns an error together with a further one, if there is one.
pub fn also(error: anyhow::Error, other: Option<anyhow::Error>) -> anyhow::Error {
    match other {
        None => error,
        Some(other) => together(&[error, other]),
    }
}

/// Returns two values, or the errors of both.
pub fn both<A, B>(first: Result<A>, second: Result<B>) -> Result<(A, B)> {
    match (first, second) {
        (Ok(first), Ok(second)) => Ok((first, second)),
        (Err(error), second) => Err(also(error, second.err())),
        (Ok(_), Err(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chain_repeats_no_cause() {
        let error = anyhow::anyhow!("no space").context("no space").context("writing x");
        assert_eq!(chain(&error), "writing x\n  because: no space");
    }

    #[test]
    fn reports_all_errors() {
        let results = [Ok(1), Err(anyhow!("no zig")), Err(anyhow!("no Go")), Err(anyhow!("no zig"))];
        assert_eq!(all(results).unwrap_err().to_string(), "2 things are missing\n- no zig\n- no Go");
        assert_eq!(all([Ok(1), Ok(2)]).unwrap(), [1, 2]);
    }
}
