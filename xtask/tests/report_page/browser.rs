//! Measures pages in Chromium.

use crate::needs;
use std::process::Command;

/// Measurements of a page in a frame.
#[derive(Debug, serde::Deserialize)]
pub struct Layout {
    /// Width of the frame and of the page, in CSS pixels.
    pub frame: u32,
    pub page: u32,
    /// Boxes whose content overflows and cannot be scrolled.
    pub overflowing: Vec<String>,
    /// Every resource that was requested.
    pub loads: Vec<String>,
    /// Visible text of the page.
    pub text: String,
}

/// Page whose script measures each page in a frame, since the pages themselves run no script. A frame with `srcdoc` has
/// the origin of the page around it, so the script may read it.
const MEASURE: &str = r#"<!DOCTYPE html><meta charset="utf-8"><body><script>
for (const [width, text] of PAGES) {
  const frame = document.createElement("iframe");
  frame.style.cssText = `border: 0; width: ${width}px; height: 900px`;
  frame.srcdoc = text;
  document.body.append(frame);
}
const scrolls = box => ["auto", "scroll"].includes(getComputedStyle(box).overflowX);
const overflows = box => box.clientWidth > 0 && box.scrollWidth > box.clientWidth + 1 && !scrolls(box);
const measure = frame => {
  const page = frame.contentDocument, root = page.documentElement;
  return {
    frame: root.clientWidth,
    page: root.scrollWidth,
    overflowing: [...page.body.querySelectorAll("*")].filter(overflows).map(box => box.outerHTML.slice(0, 80)),
    loads: frame.contentWindow.performance.getEntriesByType("resource").map(entry => entry.name),
    text: page.body.innerText,
  };
};
// The load event waits for all frames. The result must not need unescaping.
onload = () => {
  const found = JSON.stringify([...document.querySelectorAll("iframe")].map(measure));
  const plain = found.replace(/[<>&\u0080-\uffff]/g, c => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"));
  document.body.textContent = "FOUND" + plain + "END";
};
</script>"#;

/// Names under which distributions ship Chromium.
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// Measures pages in frames of the given widths, or reports that no browser is installed.
pub fn measure(what: &str, pages: &[(u32, &str)]) -> Option<Vec<Layout>> {
    let Some(browser) = BROWSERS.iter().find_map(|name| xtask::process::find(name)) else {
        needs::skip(what, "chromium (apt-get install chromium)");
        return None;
    };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("measure.html");
    // A `</script>` in a page would end the script around it.
    let pages = serde_json::to_string(pages).unwrap().replace('<', "\\u003c");
    std::fs::write(&file, MEASURE.replace("PAGES", &pages)).unwrap();
    let output = Command::new(browser)
        // Chromium's sandbox does not support root, which CI often is. The pages are our own.
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .arg(format!("--user-data-dir={}", directory.path().join("profile").display()))
        .args(["--window-size=1280,900", "--dump-dom"])
        .arg(format!("file://{}", file.display()))
        .env("HOME", directory.path())
        .output()
        .unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let found = stdout.split_once("<body>FOUND").and_then(|(_, rest)| Some(rest.split_once("END</body>")?.0));
    let found = found.unwrap_or_else(|| panic!("chromium ended with {}\n{stdout}\n{stderr}", output.status));
    Some(serde_json::from_str(found).unwrap())
}
