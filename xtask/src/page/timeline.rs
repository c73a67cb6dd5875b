//! Pieces of work as bars over time.

use super::{Text, duration, percent};
use std::fmt::{self, Formatter};

/// One piece of work.
#[derive(Clone, Debug)]
pub struct Bar {
    pub name: String,
    /// Seconds since the timeline's zero.
    pub begin: f64,
    pub end: f64,
    pub mark: Mark,
}

/// What there is to say of a piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    Plain,
    /// The whole would have been over sooner if this had been.
    Critical,
    /// An earlier result was used.
    Kept,
    Failed,
}

impl Mark {
    fn class(self) -> &'static str {
        match self {
            Mark::Plain => "plain",
            Mark::Critical => "critical",
            Mark::Kept => "kept",
            Mark::Failed => "failed",
        }
    }
}

/// The shortest scale, in seconds.
const SHORTEST: f64 = 0.01;

/// Writes the table of the bars, and above it the critical path as a sentence.
pub(super) fn write(f: &mut Formatter<'_>, bars: &[Bar]) -> fmt::Result {
    // Where everything was kept, nothing may have taken any time.
    let span = bars.iter().map(|bar| bar.end).fold(SHORTEST, f64::max);
    path(f, bars, span)?;
    let tick = tick(span);
    write!(
        f,
        "<table class=\"bars timeline\" style=\"--tick:{:.4}%\">\n<thead><tr><th scope=\"col\">Step</th>\
         <th scope=\"col\" class=\"track\"><div>",
        percent(tick, span)
    )?;
    let mut at = 0.0;
    // A label near the end would stand over the next column.
    while at <= span * 0.97 {
        write!(f, "<span style=\"left:{:.4}%\">{}</span>", percent(at, span), axis(at, tick, span))?;
        at += tick;
    }
    f.write_str(
        "</div></th><th scope=\"col\" class=\"n\">Began</th><th scope=\"col\" class=\"n\">Took</th></tr></thead>\n<tbody>\n",
    )?;
    bars.iter().try_for_each(|bar| row(f, bar, span))?;
    f.write_str("</tbody>\n</table>\n")
}

fn row(f: &mut Formatter<'_>, bar: &Bar, span: f64) -> fmt::Result {
    let Bar { name, begin, end, mark } = bar;
    let took = match mark {
        Mark::Kept => "kept".to_owned(),
        Mark::Plain | Mark::Critical | Mark::Failed => clock(end - begin, span),
    };
    writeln!(
        f,
        "<tr class=\"{}\"><th scope=\"row\">{}</th><td class=\"track\" title=\"{begin:.2} s to {end:.2} s\">\
         <div><i style=\"left:{:.4}%;width:{:.4}%\"></i></div></td><td class=\"n\">{}</td><td class=\"n\">{took}</td></tr>",
        mark.class(),
        Text(name),
        percent(*begin, span),
        percent(end - begin, span),
        clock(*begin, span),
    )
}

/// The critical steps in their order, with how long each took.
fn path(f: &mut Formatter<'_>, bars: &[Bar], span: f64) -> fmt::Result {
    let mut critical: Vec<&Bar> = bars.iter().filter(|bar| bar.mark == Mark::Critical).collect();
    if critical.is_empty() {
        return Ok(());
    }
    critical.sort_by(|a, b| a.begin.total_cmp(&b.begin));
    let seconds: f64 = critical.iter().map(|bar| bar.end - bar.begin).sum();
    f.write_str("<p class=\"path\"><b>Critical path</b> ")?;
    for (number, bar) in critical.into_iter().enumerate() {
        let arrow = if number == 0 { "" } else { " → " };
        write!(f, "{arrow}<span>{} <i>{}</i></span>", Text(&bar.name), duration(bar.end - bar.begin))?;
    }
    writeln!(f, " <small>{:.0} % of {}</small></p>", percent(seconds, span), duration(span))
}

/// A round distance between the lines of the scale, so that there are at most eight.
fn tick(span: f64) -> f64 {
    const ROUND: [f64; 20] = [
        0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0,
        1800.0, 3600.0, 7200.0,
    ];
    ROUND.into_iter().find(|tick| span / tick <= 8.0).unwrap_or(span / 8.0)
}

/// A point of the scale, written as the columns are, but without decimals where it has none.
fn axis(at: f64, tick: f64, span: f64) -> String {
    match tick {
        _ if span >= 60.0 => clock(at, span),
        1.0.. => format!("{at:.0} s"),
        0.1.. => format!("{at:.1} s"),
        _ => format!("{at:.2} s"),
    }
}

/// Seconds as all numbers of one column are written: with decimals below a minute, `m:ss` above.
fn clock(seconds: f64, span: f64) -> String {
    if span < 1.0 {
        return format!("{seconds:.2} s");
    }
    if span < 60.0 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    if whole < 3600 {
        format!("{}:{:02}", whole / 60, whole % 60)
    } else {
        format!("{}:{:02}:{:02}", whole / 3600, whole % 3600 / 60, whole % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Body, Page, Section};
    use super::*;

    fn html(bars: Vec<Bar>) -> String {
        let section = Section { heading: "T".into(), note: String::new(), body: Body::Timeline(bars) };
        let html = Page { sections: vec![section], ..Page::default() }.html();
        html.split_once("<section").unwrap().1.to_owned()
    }

    fn bar(name: &str, begin: f64, end: f64, mark: Mark) -> Bar {
        Bar { name: name.to_owned(), begin, end, mark }
    }

    #[test]
    fn steps_that_overlap_stand_side_by_side_on_one_scale() {
        let html = html(vec![
            bar("server", 0.0, 75.0, Mark::Critical),
            bar("runc", 50.0, 100.0, Mark::Plain),
            bar("binary", 75.0, 100.0, Mark::Critical),
        ]);
        for place in
            ["left:0.0000%;width:75.0000%", "left:50.0000%;width:50.0000%", "left:75.0000%;width:25.0000%"]
        {
            assert_eq!(html.matches(place).count(), 1, "{place} in {html}");
        }
        let path = "<span>server <i>1 min 15 s</i></span> → <span>binary <i>25.0 s</i></span> \
                    <small>100 % of 1 min 40 s</small>";
        assert!(html.contains(path), "{html}");
    }

    #[test]
    fn a_kept_step_tells_no_time_and_is_no_path() {
        let html = html(vec![bar("tree", 0.0, 0.0, Mark::Kept)]);
        assert!(html.contains("<tr class=\"kept\">") && html.contains("<td class=\"n\">kept</td>"), "{html}");
        assert!(!html.contains("Critical path"), "{html}");
        assert!(!html.contains("NaN") && !html.contains("inf"), "{html}");
    }

    #[test]
    fn a_scale_has_round_points_and_few_of_them() {
        assert_eq!(
            [0.05, 0.9, 9.0, 70.0, 457.0, 1500.0, 7000.0].map(tick),
            [0.01, 0.2, 2.0, 10.0, 60.0, 300.0, 900.0]
        );
        assert_eq!(
            [axis(30.0, 30.0, 190.0), axis(30.0, 10.0, 50.0), axis(0.2, 0.1, 0.7)],
            ["0:30", "30 s", "0.2 s"]
        );
        assert_eq!(clock(4000.4, 5000.0), "1:06:40");
    }
}
