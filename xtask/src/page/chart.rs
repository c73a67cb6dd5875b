//! Sizes as bars, and one quantity over time as a line.

use super::{Text, percent};
use indicatif::{HumanBytes, HumanCount};
use std::fmt::{self, Display, Formatter};

/// How large a thing is.
#[derive(Clone, Debug)]
pub struct Size {
    pub name: String,
    /// What it is or where it goes, in a few words; may be empty.
    pub note: String,
    pub bytes: u64,
}

/// Writes the table of the sizes, in the given order.
pub(super) fn write(f: &mut Formatter<'_>, sizes: &[Size]) -> fmt::Result {
    let largest = sizes.iter().map(|size| size.bytes).max().unwrap_or_default() as f64;
    f.write_str(
        "<table class=\"bars sizes\">\n<thead><tr><th scope=\"col\">Part</th><th class=\"track\"></th>\
         <th scope=\"col\" class=\"n\">Size</th><th scope=\"col\" class=\"n\">Bytes</th></tr></thead>\n<tbody>\n",
    )?;
    for Size { name, note, bytes } in sizes {
        let (name, note) = (Text(name), Text(note));
        writeln!(
            f,
            "<tr><th scope=\"row\">{name} <small>{note}</small></th><td class=\"track\"><div>\
             <i style=\"left:0;width:{:.4}%\"></i></div></td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            percent(*bytes as f64, largest),
            size(*bytes),
            HumanCount(*bytes),
        )?;
    }
    f.write_str("</tbody>\n</table>\n")
}

/// Bytes as people read them: `67.15 MiB`.
pub fn size(bytes: u64) -> String {
    HumanBytes(bytes).to_string()
}

/// One quantity over time.
#[derive(Clone, Debug)]
pub struct Line {
    /// What is measured: `memory in use`.
    pub quantity: String,
    pub unit: String,
    /// Seconds and value, in the order of time.
    pub points: Vec<(f64, f64)>,
}

impl Display for Line {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let largest = |value: fn(&(f64, f64)) -> f64| self.points.iter().map(value).fold(0.0, f64::max);
        let (last, top) = (largest(|point| point.0), largest(|point| point.1));
        let unit = Text(&self.unit);
        // Words stand beside the drawing, because it is stretched to the width of the page.
        write!(
            f,
            "<figure class=\"line\">\n<figcaption>{}, at most {top:.0} {unit}</figcaption>\n\
             <svg viewBox=\"0 0 100 100\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{}\">\
             <polyline points=\"",
            Text(&self.quantity),
            Text(&self.quantity),
        )?;
        for (at, value) in &self.points {
            write!(f, "{:.3},{:.3} ", percent(*at, last), 100.0 - percent(*value, top))?;
        }
        writeln!(f, "\"/></svg>\n<p><span>0 s</span><span>{last:.0} s</span></p>\n</figure>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_fills_its_box_from_the_first_second_to_the_last() {
        let points = vec![(0.0, 0.0), (5.0, 300.0), (10.0, 150.0)];
        let html = Line { quantity: "memory".into(), unit: "MiB".into(), points }.to_string();
        assert!(html.contains("points=\"0.000,100.000 50.000,0.000 100.000,50.000 \""), "{html}");
        assert!(html.contains("memory, at most 300 MiB") && html.contains("<span>10 s</span>"), "{html}");
    }
}
