//! Facts and checks: a name or a sentence, and what there is to say of it.

use super::Text;
use std::fmt::{self, Display, Formatter};

/// A name and its value.
#[derive(Clone, Debug)]
pub struct Fact {
    pub name: String,
    pub value: String,
    pub form: Form,
}

/// What a value is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Prose,
    /// A sum, a reference, a path or another thing that is read letter by letter.
    Code,
}

impl Fact {
    pub fn prose(name: impl Into<String>, value: impl Into<String>) -> Fact {
        Fact { name: name.into(), value: value.into(), form: Form::Prose }
    }

    pub fn code(name: impl Into<String>, value: impl Into<String>) -> Fact {
        Fact { name: name.into(), value: value.into(), form: Form::Code }
    }
}

impl Display for Fact {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let value = Text(&self.value);
        write!(f, "<dt>{}</dt>", Text(&self.name))?;
        match self.form {
            Form::Prose => write!(f, "<dd>{value}</dd>"),
            Form::Code => write!(f, "<dd><code>{value}</code></dd>"),
        }
    }
}

/// Something that was to be found right.
#[derive(Clone, Debug)]
pub struct Check {
    /// A sentence.
    pub what: String,
    pub seen: String,
    pub verdict: Verdict,
}

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Holds,
    /// Nobody looked.
    Unchecked,
    Fails,
}

impl Display for Check {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (class, mark, word) = match self.verdict {
            Verdict::Holds => ("holds", "✓", ""),
            Verdict::Unchecked => ("unchecked", "?", "not checked: "),
            Verdict::Fails => ("fails", "✗", "failed: "),
        };
        write!(
            f,
            "<li class=\"{class}\"><span class=\"mark\" aria-hidden=\"true\">{mark}</span>\
             <div><p>{word}{}</p><p class=\"seen\">{}</p></div></li>",
            Text(&self.what),
            Text(&self.seen)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_checked_bears_no_tick() {
        let check = |verdict| Check { what: "it runs".into(), seen: "no qemu".into(), verdict }.to_string();
        assert!(check(Verdict::Holds).contains('✓'));
        let unchecked = check(Verdict::Unchecked);
        assert!(!unchecked.contains('✓') && unchecked.contains("not checked: it runs"), "{unchecked}");
        assert!(check(Verdict::Fails).contains("failed: it runs"));
    }
}
