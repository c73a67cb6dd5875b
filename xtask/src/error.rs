//! Printing of errors at the terminal.

use crate::url::without_credentials;
use anyhow::{Result, anyhow};

/// An error and its causes, outermost first, one below the other, without the credentials of any URL.
pub fn chain(error: &anyhow::Error) -> String {
    let mut told: Vec<String> = Vec::new();
    for cause in error.chain().map(|cause| cause.to_string()) {
        // Some libraries repeat their cause in their own message.
        if told.last().is_none_or(|last| !last.contains(&cause)) {
            told.push(cause);
        }
    }
    without_credentials(&told.join("\n  because: "))
}

/// All the values, or all the errors as one: a person who repairs one thing wants to hear of the next.
pub fn all<T>(results: impl IntoIterator<Item = Result<T>>) -> Result<Vec<T>> {
    let (mut values, mut errors) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(value) => values.push(value),
            Err(error) => errors.push(error),
        }
    }
    match errors.len() {
        0 => Ok(values),
        1 => Err(errors.remove(0)),
        _ => Err(together(&errors)),
    }
}

fn together(errors: &[anyhow::Error]) -> anyhow::Error {
    let told: Vec<String> = errors.iter().map(|error| format!("- {}", chain(error))).collect();
    anyhow!("{} things are missing\n{}", errors.len(), told.join("\n"))
}

/// An error, with another one that came of looking further.
pub fn also(error: anyhow::Error, other: Option<anyhow::Error>) -> anyhow::Error {
    match other {
        None => error,
        Some(other) => together(&[error, other]),
    }
}

/// Two values, or what kept either from being had.
pub fn both<A, B>(first: Result<A>, second: Result<B>) -> Result<(A, B)> {
    match (first, second) {
        (Ok(first), Ok(second)) => Ok((first, second)),
        (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error),
        (Err(first), Err(second)) => Err(together(&[first, second])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_told_once_and_in_order() {
        let error = anyhow::anyhow!("no space").context("no space").context("writing x");
        assert_eq!(chain(&error), "writing x\n  because: no space");
    }

    #[test]
    fn several_errors_are_told_together() {
        let results = [Ok(1), Err(anyhow!("no zig")), Err(anyhow!("no Go"))];
        assert_eq!(all(results).unwrap_err().to_string(), "2 things are missing\n- no zig\n- no Go");
        assert_eq!(all([Ok(1), Ok(2)]).unwrap(), [1, 2]);
    }
}
