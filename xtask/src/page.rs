//! Reports as one page of HTML that needs nothing but itself.
//!
//! A [`Page`] is plain data; [`Page::html`] turns it into markup that loads nothing, runs no script,
//! follows the reader's dark or light setting and can be printed. Everything in it that was not
//! written here passes through [`Text`], so nothing that a tool, a tree or a person has said can
//! become markup.

mod chart;
mod diff;
mod list;
mod timeline;

pub use chart::{Line, Size, size};
pub use diff::Change;
pub use list::{Check, Fact, Form, Verdict};
pub use timeline::{Bar, Mark};

use std::fmt::{self, Display, Formatter, Write};

/// A report.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// What kind of report it is: `build report`.
    pub kind: String,
    pub title: String,
    /// One or two sentences below the title.
    pub lead: String,
    /// What nobody may overlook.
    pub labels: Vec<Label>,
    /// The few numbers that are asked for first.
    pub figures: Vec<Figure>,
    pub sections: Vec<Section>,
}

/// A word or two about the whole.
#[derive(Clone, Debug)]
pub struct Label {
    pub text: String,
    pub tone: Tone,
}

/// How loudly a label speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Plain,
    Caution,
}

/// A number that is asked for first.
#[derive(Clone, Debug)]
pub struct Figure {
    pub value: String,
    pub label: String,
}

/// One part of a report.
#[derive(Clone, Debug)]
pub struct Section {
    pub heading: String,
    /// What one has to know to read it; may be empty.
    pub note: String,
    pub body: Body,
}

/// What a section shows.
#[derive(Clone, Debug)]
pub enum Body {
    Facts(Vec<Fact>),
    /// Pieces of work, in the order in which they are to stand.
    Timeline(Vec<Bar>),
    Sizes(Vec<Size>),
    /// One quantity over time.
    Line(Line),
    Changes(Vec<Change>),
    Checks(Vec<Check>),
    /// What a program has written.
    Log(String),
}

/// The page loads nothing, and a browser is told to refuse if it ever tried.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

const STYLE: &str = include_str!("page/style.css");

impl Page {
    /// The page as one HTML document.
    pub fn html(&self) -> String {
        self.to_string()
    }
}

impl Display for Page {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Page { kind, title, lead, labels, figures, sections } = self;
        let (kind, title, lead) = (Text(kind), Text(title), Text(lead));
        write!(
            f,
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <title>{title} · {kind}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
             <header>\n<p class=\"kind\">{kind}</p>\n<h1>{title}</h1>\n"
        )?;
        if !labels.is_empty() {
            writeln!(f, "<ul class=\"labels\">{}</ul>", Each(labels))?;
        }
        if !self.lead.is_empty() {
            writeln!(f, "<p class=\"lead\">{lead}</p>")?;
        }
        if !figures.is_empty() {
            writeln!(f, "<dl class=\"figures\">{}</dl>", Each(figures))?;
        }
        f.write_str("</header>\n")?;
        if sections.len() > 1 {
            f.write_str("<nav aria-label=\"Sections\">")?;
            for (number, section) in sections.iter().enumerate() {
                write!(f, "<a href=\"#part-{number}\">{}</a>", Text(&section.heading))?;
            }
            f.write_str("</nav>\n")?;
        }
        for (number, section) in sections.iter().enumerate() {
            write!(f, "<section id=\"part-{number}\">\n{section}</section>\n")?;
        }
        f.write_str("</main>\n</body>\n</html>\n")
    }
}

impl Display for Label {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let class = match self.tone {
            Tone::Plain => "plain",
            Tone::Caution => "caution",
        };
        write!(f, "<li class=\"{class}\">{}</li>", Text(&self.text))
    }
}

impl Display for Figure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "<div><dt>{}</dt><dd>{}</dd></div>", Text(&self.label), Text(&self.value))
    }
}

impl Display for Section {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "<h2>{}</h2>", Text(&self.heading))?;
        if !self.note.is_empty() {
            writeln!(f, "<p class=\"note\">{}</p>", Text(&self.note))?;
        }
        match &self.body {
            body if body.is_empty() => f.write_str("<p class=\"none\">None.</p>\n"),
            Body::Facts(facts) => writeln!(f, "<dl class=\"facts\">{}</dl>", Each(facts)),
            Body::Timeline(bars) => timeline::write(f, bars),
            Body::Sizes(sizes) => chart::write(f, sizes),
            Body::Line(line) => line.fmt(f),
            Body::Changes(changes) => Each(changes).fmt(f),
            Body::Checks(checks) => writeln!(f, "<ul class=\"checks\">{}</ul>", Each(checks)),
            // The parser drops one newline that follows the tag, so it is given one.
            Body::Log(text) => writeln!(f, "<pre class=\"log\">\n{}</pre>", Text(text)),
        }
    }
}

impl Body {
    fn is_empty(&self) -> bool {
        match self {
            Body::Facts(facts) => facts.is_empty(),
            Body::Timeline(bars) => bars.is_empty(),
            Body::Sizes(sizes) => sizes.is_empty(),
            Body::Line(line) => line.points.is_empty(),
            Body::Changes(changes) => changes.is_empty(),
            Body::Checks(checks) => checks.is_empty(),
            Body::Log(text) => text.is_empty(),
        }
    }
}

/// Things of one kind, one after the other.
struct Each<'a, T>(&'a [T]);

impl<T: Display> Display for Each<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|item| writeln!(f, "{item}"))
    }
}

/// Text that stays text, between tags and in quoted attributes.
///
/// What a reader could not see is made visible: control characters, which escape sequences of
/// terminals begin with, and those that turn the direction of writing, with which a change can be
/// made to look like another one (CVE-2021-42574).
struct Text<'a>(&'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                '\n' | '\t' => f.write_char(c)?,
                // Unicode's pictures of these characters stand in the same order from U+2400 on.
                '\0'..='\x1f' => f.write_char(char::from_u32(0x2400 + u32::from(c)).unwrap_or('�'))?,
                '\x7f'..='\u{9f}' | '\u{200e}' | '\u{200f}' => write!(f, "⟨U+{:04X}⟩", u32::from(c))?,
                '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => write!(f, "⟨U+{:04X}⟩", u32::from(c))?,
                _ => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// A share of a whole in per cent, as lengths in CSS take it; never out of 0 to 100.
fn percent(part: f64, whole: f64) -> f64 {
    let share = if whole > 0.0 { part / whole * 100.0 } else { 0.0 };
    share.clamp(0.0, 100.0)
}

/// Seconds as prose: `0.04 s`, `4.2 s`, `7 min 37 s`, `1 h 2 min`.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        _ if seconds < 0.95 => format!("{seconds:.2} s"),
        0..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(body: Body) -> String {
        let section = Section { heading: "Part".into(), note: String::new(), body };
        Page { title: "Title".into(), sections: vec![section], ..Page::default() }.html()
    }

    #[test]
    fn text_cannot_become_markup_wherever_it_stands() {
        let evil = || "</pre></style><script src='//x'>&\"".to_owned();
        let bodies = vec![
            Body::Facts(vec![Fact { name: evil(), value: evil(), form: Form::Code }]),
            Body::Timeline(vec![Bar { name: evil(), begin: 0.0, end: 1.0, mark: Mark::Critical }]),
            Body::Sizes(vec![Size { name: evil(), note: evil(), bytes: 1 }]),
            Body::Line(Line { quantity: evil(), unit: evil(), points: vec![(0.0, 1.0)] }),
            Body::Changes(vec![Change {
                name: evil(),
                why: evil(),
                facts: vec![Fact { name: evil(), value: evil(), form: Form::Prose }],
                diff: format!("diff --git a/{0} b/{0}\n{0}\n@@ -1 +1 @@ {0}\n-{0}\n+{0}\n", evil()),
            }]),
            Body::Checks(vec![Check { what: evil(), seen: evil(), verdict: Verdict::Holds }]),
            Body::Log(evil()),
        ];
        let section = |body| Section { heading: evil(), note: evil(), body };
        let html = Page {
            kind: evil(),
            title: evil(),
            lead: evil(),
            labels: vec![Label { text: evil(), tone: Tone::Caution }],
            figures: vec![Figure { value: evil(), label: evil() }],
            sections: bodies.into_iter().map(section).collect(),
        }
        .html();
        assert!(!html.contains("<script"), "{html}");
        assert!(!html.contains("src='"), "{html}");
        assert_eq!(html.matches("</style>").count(), 1);
        // Each of the sections shows it in its heading and its note at least, and nothing is lost.
        assert!(html.matches("&lt;script src=&#39;//x&#39;&gt;&amp;&quot;").count() > 30, "{html}");
    }

    #[test]
    fn what_cannot_be_seen_is_made_visible() {
        assert_eq!(Text("a\x1b[31mb\r\n\tc").to_string(), "a␛[31mb␍\n\tc");
        assert_eq!(Text("\0\x7f\u{202e}\u{2066}é").to_string(), "␀⟨U+007F⟩⟨U+202E⟩⟨U+2066⟩é");
    }

    #[test]
    fn an_empty_section_says_so() {
        let line = Line { quantity: "memory".into(), unit: "MiB".into(), points: vec![] };
        for body in [
            Body::Facts(vec![]),
            Body::Timeline(vec![]),
            Body::Sizes(vec![]),
            Body::Line(line),
            Body::Changes(vec![]),
            Body::Checks(vec![]),
            Body::Log(String::new()),
        ] {
            let html = page(body);
            assert!(html.contains("<h2>Part</h2>\n<p class=\"none\">None.</p>\n</section>"), "{html}");
        }
    }

    #[test]
    fn a_page_without_anything_has_no_empty_lists() {
        let html = Page { title: "Title".into(), ..Page::default() }.html();
        for tag in ["<ul", "<dl", "<nav", "<section", "class=\"lead\""] {
            assert!(!html.contains(tag), "{tag} in {html}");
        }
    }

    #[test]
    fn durations_are_told_as_people_tell_them() {
        let told = [0.04, 4.25, 59.4, 59.96, 457.0, 3720.0].map(duration);
        assert_eq!(told, ["0.04 s", "4.2 s", "59.4 s", "1 min 0 s", "7 min 37 s", "1 h 2 min"]);
    }
}
