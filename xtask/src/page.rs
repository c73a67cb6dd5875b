//! Reports as self-contained HTML pages.
//!
//! A page loads nothing, runs no script, follows the reader's dark or light setting and can be printed. Sections are maud
//! templates, which escape all texts that are inserted.

use maud::{DOCTYPE, Markup, PreEscaped, html};

/// A report.
#[derive(Debug, Default)]
pub struct Page {
    /// The kind of report: `build report`.
    pub kind: &'static str,
    pub title: String,
    /// One or two sentences below the title.
    pub lead: String,
    /// Labels of warnings.
    pub cautions: Vec<String>,
    /// The most important numbers, with their names.
    pub figures: Vec<(String, String)>,
    pub sections: Vec<Section>,
}

/// A heading and the content below it.
#[derive(Debug)]
pub struct Section {
    heading: String,
    body: Markup,
}

impl Section {
    pub fn new(heading: impl Into<String>, body: Markup) -> Section {
        Section { heading: heading.into(), body }
    }
}

/// Policy by which a browser refuses to load anything, which a page does not do anyway.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

const STYLE: &str = include_str!("page/style.css");

impl Page {
    /// Returns the page as one HTML document.
    pub fn html(&self) -> String {
        let Page { kind, title, lead, cautions, figures, sections } = self;
        let markup = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta http-equiv="Content-Security-Policy" content=(POLICY);
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (title) " · " (kind) }
                    style { (PreEscaped(STYLE)) }
                }
                body { main {
                    header {
                        p.kind { (kind) }
                        h1 { (title) }
                        @if !cautions.is_empty() {
                            ul.cautions { @for caution in cautions { li { (caution) } } }
                        }
                        p.lead { (lead) }
                        @if !figures.is_empty() {
                            dl.figures { @for (name, value) in figures { div { dt { (name) } dd { (value) } } } }
                        }
                    }
                    nav {
                        @for (number, section) in sections.iter().enumerate() {
                            a href={ "#part-" (number) } { (section.heading) }
                        }
                    }
                    @for (number, section) in sections.iter().enumerate() {
                        section id={ "part-" (number) } {
                            h2 { (section.heading) }
                            @if section.body.0.is_empty() { p.note { "None." } } @else { (section.body) }
                        }
                    }
                } }
            }
        };
        visible(&markup.into_string())
    }
}

/// Returns a text in which invisible characters are replaced by visible ones.
///
/// These are control characters, which begin escape sequences of terminals, and characters that change the writing
/// direction, by which one change can be made to look like another (CVE-2021-42574).
fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => shown.push(c),
            // Unicode has symbols for these characters in the same order, beginning at U+2400.
            '\0'..='\x1f' => shown.extend(char::from_u32(0x2400 + u32::from(c))),
            '\x7f'..='\u{9f}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}' => shown.push_str(&format!("⟨U+{:04X}⟩", u32::from(c))),
            _ => shown.push(c),
        }
    }
    shown
}

/// Renders names with their values.
pub fn facts<N: AsRef<str>>(facts: impl IntoIterator<Item = (N, Markup)>) -> Markup {
    html! { dl.facts { @for (name, value) in facts { dt { (name.as_ref()) } dd { (value) } } } }
}

/// Renders a digest, a reference or a path, in a monospaced font.
pub fn code(text: impl AsRef<str>) -> Markup {
    html! { code { (text.as_ref()) } }
}

/// A row of a table of bars.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    pub name: String,
    /// A short note, or an empty string.
    pub note: &'static str,
    /// Beginning and end of the bar, in the unit of the table.
    pub span: (f64, f64),
    /// The texts of the columns.
    pub values: [String; 2],
    pub mark: Mark,
}

/// Highlighting of a bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    Plain,
    /// On the critical path.
    Critical,
    /// An earlier result was used.
    Kept,
    Failed,
}

/// Renders bars on a common scale, from zero to the end of the last one.
pub fn bars(head: [&str; 3], bars: &[Bar]) -> Markup {
    let whole = bars.iter().map(|bar| bar.span.1).fold(f64::MIN_POSITIVE, f64::max);
    let percent = |part: f64| format!("{:.3}%", (part / whole * 100.0).clamp(0.0, 100.0));
    let class = |mark| match mark {
        Mark::Plain => "plain",
        Mark::Critical => "critical",
        Mark::Kept => "kept",
        Mark::Failed => "failed",
    };
    html! {
        table.bars {
            thead { tr { th { (head[0]) } th.track {} th.n { (head[1]) } th.n { (head[2]) } } }
            tbody {
                @for Bar { name, note, span: (begin, end), values, mark } in bars {
                    tr class=(class(*mark)) {
                        th scope="row" { (name) @if !note.is_empty() { " " small { (note) } } }
                        td.track { i style={ "left:" (percent(*begin)) ";width:" (percent(end - begin)) } {} }
                        @for value in values { td.n { (value) } }
                    }
                }
            }
        }
    }
}

/// Renders a unified diff, each line coloured by its first characters.
pub fn diff(text: &str) -> Markup {
    let class = |line: &str| match line.split(' ').next() {
        Some("diff") => "file",
        Some("---" | "+++") => "header",
        Some("@@") => "hunk",
        Some(word) if word.starts_with('+') => "added",
        Some(word) if word.starts_with('-') => "removed",
        Some("") | None => "same",
        Some(_) => "header",
    };
    html! { pre.diff { code { @for line in text.lines() { span class=(class(line)) { (line) "\n" } } } } }
}

/// Formats a size: `67.15 MiB`.
pub fn size(bytes: u64) -> String {
    indicatif::HumanBytes(bytes).to_string()
}

/// Formats a duration: `0.04 s`, `4.2 s`, `7 min 37 s`, `1 h 2 min`.
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

    #[test]
    fn escapes_every_text() {
        let evil = || "</pre></style><script src='//x'>&\"".to_owned();
        let bar =
            Bar { name: evil(), note: "", span: (0.0, 1.0), values: [evil(), evil()], mark: Mark::Plain };
        let bodies = [
            facts([(evil(), code(evil())), (evil(), html! { (evil()) })]),
            bars(["", "", ""], &[bar]),
            diff(&format!("diff --git a/{0} b/{0}\n{0}\n@@ -1 +1 @@ {0}\n-{0}\n+{0}\n", evil())),
        ];
        let html = Page {
            kind: "report",
            title: evil(),
            lead: evil(),
            cautions: vec![evil()],
            figures: vec![(evil(), evil())],
            sections: bodies.map(|body| Section::new(evil(), body)).into(),
        }
        .html();
        assert!(!html.contains("<script"), "{html}");
        assert_eq!(html.matches("</style>").count(), 1);
        // All texts are there: two in titles, four in the header, two for each section, and the bodies.
        assert_eq!(
            html.matches("&lt;script src='//x'&gt;&amp;&quot;").count(),
            2 + 4 + 6 + 4 + 3 + 6,
            "{html}"
        );
    }

    #[test]
    fn makes_hidden_characters_visible() {
        assert_eq!(visible("a\x1b[31mb\r\n\tc"), "a␛[31mb␍\n\tc");
        assert_eq!(visible("\0\x7f\u{202e}\u{2066}é"), "␀⟨U+007F⟩⟨U+202E⟩⟨U+2066⟩é");
        let html = Page { title: "\u{202e}".to_owned(), ..Page::default() }.html();
        assert!(html.contains("<h1>⟨U+202E⟩</h1>"), "{html}");
    }

    #[test]
    fn says_that_a_section_is_empty() {
        let html = Page { sections: vec![Section::new("Patches", html! {})], ..Page::default() }.html();
        assert!(html.contains("<h2>Patches</h2><p class=\"note\">None.</p></section>"), "{html}");
        assert!(!html.contains("<ul") && !html.contains("<dl"), "{html}");
    }

    #[test]
    fn bars_share_one_scale() {
        let bar = |begin, end| Bar {
            name: String::new(),
            note: "",
            span: (begin, end),
            values: Default::default(),
            mark: Mark::Plain,
        };
        let html = bars([""; 3], &[bar(0.0, 75.0), bar(50.0, 100.0)]).into_string();
        for place in ["left:0.000%;width:75.000%", "left:50.000%;width:50.000%"] {
            assert_eq!(html.matches(place).count(), 1, "{place} in {html}");
        }
        // If all results were reused, no step took any time.
        let html = bars([""; 3], &[bar(0.0, 0.0)]).into_string();
        assert!(html.contains("left:0.000%;width:0.000%"), "{html}");
    }

    #[test]
    fn formats_durations() {
        let shown = [0.04, 4.25, 59.4, 59.96, 457.0, 3720.0].map(duration);
        assert_eq!(shown, ["0.04 s", "4.2 s", "59.4 s", "1 min 0 s", "7 min 37 s", "1 h 2 min"]);
    }
}
