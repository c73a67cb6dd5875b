//! Pages as Chromium lays them out.

use crate::needs;
use std::process::Command;

/// Measurements of a page that a browser showed in a frame of some width.
#[derive(Debug, serde::Deserialize)]
pub struct Look {
    /// Width that the page is given and width that it takes, in CSS pixels.
    pub given: u32,
    pub taken: u32,
    /// Boxes whose content is wider than they are and cannot be scrolled to.
    pub bursting: Vec<String>,
    /// Every resource that was loaded or requested.
    pub loads: Vec<String>,
    /// Visible text of the page.
    pub text: String,
}

/// Shows each page in a frame of its own, since the pages themselves run no script, and looks at it
/// from outside. A frame made from text has the origin of the page around it, so that this is allowed.
const LOOK: &str = r#"<!DOCTYPE html><meta charset="utf-8"><body><script>
for (const [width, text] of PAGES) {
  const frame = document.createElement("iframe");
  frame.style.cssText = `border: 0; width: ${width}px; height: 900px`;
  frame.srcdoc = text;
  document.body.append(frame);
}
const scrolls = box => ["auto", "scroll"].includes(getComputedStyle(box).overflowX);
const bursts = box => box.clientWidth > 0 && box.scrollWidth > box.clientWidth + 1 && !scrolls(box);
const look = frame => {
  const page = frame.contentDocument, root = page.documentElement;
  return {
    given: root.clientWidth,
    taken: root.scrollWidth,
    bursting: [...page.body.querySelectorAll("*")].filter(bursts).map(box => box.outerHTML.slice(0, 80)),
    loads: frame.contentWindow.performance.getEntriesByType("resource").map(entry => entry.name),
    text: page.body.innerText,
  };
};
// The load event waits for all frames. What is read back must not need unescaping.
onload = () => {
  const found = JSON.stringify([...document.querySelectorAll("iframe")].map(look));
  const plain = found.replace(/[<>&\u0080-\uffff]/g, c => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"));
  document.body.textContent = "FOUND" + plain + "END";
};
</script>"#;

/// Names under which distributions ship Chromium.
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// Measures pages in windows of the given widths, or reports that no browser is installed.
pub fn look(what: &str, pages: &[(u32, &str)]) -> Option<Vec<Look>> {
    let Some(browser) = BROWSERS.iter().find_map(|name| xtask::process::find(name)) else {
        needs::lacks(what, "chromium (apt-get install chromium)");
        return None;
    };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("look.html");
    // `</script>` within a page must not end the script that contains it.
    let pages = serde_json::to_string(pages).unwrap().replace('<', "\\u003c");
    std::fs::write(&file, LOOK.replace("PAGES", &pages)).unwrap();
    let output = Command::new(browser)
        // Root, which CI often is, gets no sandbox; the pages are our own.
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
