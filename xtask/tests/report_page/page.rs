//! Tests of pages, in a browser and as markup.

use crate::browser::{Layout, measure};
use crate::example::{failed_boot, hostile, not_run, release};
use std::path::Path;
use xtask::boot::page;
use xtask::k3s::Optional;
use xtask::upstream::release::Origin;

/// Widths: the one that is supported, and a small one.
const WIDTHS: [u32; 2] = [1280, 640];

/// Saves a page, so that a developer can open it.
fn save(name: &str, html: &str) {
    std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("report-{name}.html")), html).unwrap();
}

#[track_caller]
fn assert_fits(layout: &Layout) {
    let Layout { frame, page, .. } = *layout;
    assert_eq!(layout.overflowing, [""; 0], "overflow at {frame} pixels");
    assert!(frame <= 1280 && page <= frame, "{page} of {frame} pixels");
    assert_eq!(layout.loads, [""; 0]);
}

#[test]
fn page_fits_its_window_and_loads_nothing() {
    let (release, hostile) = (release().html(), hostile().html());
    save("release", &release);
    save("hostile", &hostile);
    let pages: Vec<_> = WIDTHS.iter().flat_map(|width| [(*width, &*release), (*width, &*hostile)]).collect();
    let Some(layouts) = measure("the width of the build report", &pages) else { return };
    assert_eq!(layouts.len(), 4);
    layouts.iter().for_each(assert_fits);
    for text in ["Critical path", "k3s v1.33.0+k3s1 for riscv64", "carvicsforth/pause:v3.10-v1.31.1"] {
        assert!(layouts[0].text.contains(text), "{text} in {}", layouts[0].text);
    }
    // Text that layouts like markup is visible as text, in the patches and in the check.
    let evil = "<script src=\"https://evil.example/x.js\"></script><img src=x>";
    assert!(layouts[1].text.matches(evil).count() > 600, "{}", layouts[1].text.len());
}

#[test]
fn page_of_failed_boot_links_its_console() {
    let directory = tempfile::tempdir().unwrap();
    let html = page::page(&failed_boot(), directory.path()).html();
    assert!(!html.contains("console-alone.log"), "a link to a missing file: {html}");
    for name in ["console-alone.log", "console-agent-alone.log"] {
        std::fs::write(directory.path().join(name), "Linux version").unwrap();
    }
    let html = page::page(&failed_boot(), directory.path()).html();
    for name in ["console-alone.log", "console-agent-alone.log"] {
        assert!(html.contains(&format!("<a href=\"{name}\">{name}</a>")), "{html}");
    }
    save("boot", &html);
    let Some(layouts) = measure("the width of the boot report", &WIDTHS.map(|width| (width, &*html))) else {
        return;
    };
    layouts.iter().for_each(assert_fits);
    for text in [
        "failed: alone, pod",
        "the node is Ready",
        "6 min 42 s",
        "not reached",
        "memory in use, alone",
        "long\n  ␛[31m",
    ] {
        assert!(layouts[0].text.contains(text), "{text} in {}", layouts[0].text);
    }
}

#[test]
fn browser_detects_overflow_and_requests() {
    let html = release().html();
    let with = |markup: &str| html.replace("</main>", &format!("{markup}</main>"));
    let wide = with("<div style=\"width: 1500px\">wide</div>");
    let clipped =
        with("<div style=\"overflow: hidden; width: 90px\"><p style=\"width: 99px\">clipped</p></div>");
    let loading = with("<img src=\"http://127.0.0.1:9/picture.png\">");
    let Some(layouts) =
        measure("the measurement itself", &[(1280, &wide), (1280, &clipped), (1280, &loading)])
    else {
        return;
    };
    assert!(layouts[0].page >= 1500, "{}", layouts[0].page);
    assert!(
        layouts[1].overflowing.iter().any(|html| html.contains("clipped")),
        "{:?}",
        layouts[1].overflowing
    );
    assert_eq!(layouts[2].loads, ["http://127.0.0.1:9/picture.png"]);
}

#[test]
fn markup_has_no_external_references() {
    for html in [release().html(), hostile().html()] {
        for word in [
            "<script",
            "<link",
            "<iframe",
            "<object",
            "<img",
            "src=",
            "url(",
            "@import",
            "http-equiv=\"refresh",
        ] {
            assert!(!markup(&html).contains(word), "{word}");
        }
        assert!(html.split("href=\"").skip(1).all(|link| link.starts_with("#part-")));
        let policy = "content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\"";
        assert!(html.find(policy) < html.find("<style>"));
    }
}

/// Returns the tags of a page and its style, without the text between them.
fn markup(html: &str) -> String {
    let (head, body) = html.split_once("<body>").unwrap();
    let tags = body.split('<').filter_map(|part| Some(part.split_once('>')?.0));
    tags.fold(head.to_owned(), |all, tag| all + "<" + tag)
}

#[test]
fn omits_password_of_a_source_url() {
    let mut example = release();
    example.manifest.origin = Origin::Tree;
    example.location = "https://me:secret@host.example/k3s".into();
    let html = example.html();
    assert!(html.contains("https://host.example/k3s") && !html.contains("secret"), "{html}");
}

#[test]
fn reused_steps_are_not_on_the_critical_path() {
    let mut example = release();
    let html = example.html();
    assert!(html.contains("</b> pause → pause-image → tree → server → bundle → binary</p>"), "{html}");
    assert_eq!(html.matches("<td class=\"n\">kept</td>").count(), 1, "{html}");
    example.timings.iter_mut().for_each(|timing| (timing.kept, timing.begin, timing.end) = (true, 0.0, 0.0));
    let html = example.html();
    assert!(!html.contains("Critical path") && !html.contains("NaN") && !html.contains("inf"), "{html}");
}

#[test]
fn warnings_are_in_the_header() {
    let mut example = release();
    assert!(!example.html().contains("<ul class=\"cautions\">"));
    example.manifest.origin = Origin::Sample;
    example.manifest.incomplete = vec![Optional::K3sRoot];
    not_run(&mut example.manifest.checks[0]);
    let html = example.html();
    let (head, rest) = html.split_once("</header>").unwrap();
    for label in ["sample, not k3s", "without k3s-root", "not fully checked"] {
        assert!(head.contains(&format!("<li>{label}</li>")), "{label} in {head}");
    }
    assert!(head.contains("<dt>checks passed</dt><dd>1</dd>"), "{head}");
    assert!(rest.contains("not checked: the programs run"));
}
