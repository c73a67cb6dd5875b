//! The manifests that a server applies to its cluster, without those that need a chart which is left out.

use anyhow::{Context as _, Result};
use fs_err as fs;
use memchr::memmem;
use std::path::Path;

/// The URL by which an object asks the server for one of the charts that it carries.
const CARRIED_CHART: &str = "%{KUBERNETES_API}%/static/charts/";

/// Takes every object that asks for a carried chart out of the manifests below a directory. A manifest that has
/// no other object is removed.
///
/// Manifests are templates, which no YAML parser reads, so documents are recognized by their separators.
pub fn leave_out_charts(directory: &Path) -> Result<()> {
    for entry in walkdir::WalkDir::new(directory) {
        let entry = entry.with_context(|| format!("looking for manifests in {}", directory.display()))?;
        if !entry.file_type().is_file() {
            continue;
        }
        let bytes = fs::read(entry.path())?;
        if memmem::find(&bytes, CARRIED_CHART.as_bytes()).is_none() {
            continue;
        }
        let text =
            String::from_utf8(bytes).with_context(|| format!("{} is not UTF-8", entry.path().display()))?;
        match without_charts(&text) {
            Some(rest) => fs::write(entry.path(), rest)?,
            None => fs::remove_file(entry.path())?,
        }
    }
    Ok(())
}

/// Returns the documents of a manifest that ask for no carried chart; none if nothing is left.
fn without_charts(manifest: &str) -> Option<String> {
    let kept = documents(manifest).into_iter().filter(|document| !asks_for_chart(document));
    let kept: Vec<String> = kept.collect();
    kept.iter().any(|document| content(document).next().is_some()).then(|| kept.concat())
}

/// Returns the documents of a YAML stream, each with the separator before it (yaml.org/spec/1.2.2, 9.2). In an indented
/// block there is no separator.
fn documents(text: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    for line in text.split_inclusive('\n') {
        if is_separator(line) {
            found.push(String::new());
        }
        if let Some(document) = found.last_mut() {
            document.push_str(line);
        }
    }
    found
}

fn is_separator(line: &str) -> bool {
    line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
}

/// Returns the lines that are neither separators nor blank nor comments.
fn content(document: &str) -> impl Iterator<Item = &str> {
    document
        .lines()
        .filter(|line| !is_separator(line) && !line.trim().is_empty() && !line.trim_start().starts_with('#'))
}

fn asks_for_chart(document: &str) -> bool {
    content(document).any(|line| line.contains(CARRIED_CHART))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(name: &str) -> String {
        format!(
            "---\napiVersion: helm.cattle.io/v1\nkind: HelmChart\nmetadata:\n  name: {name}\nspec:\n  \
             chart: https://%{{KUBERNETES_API}}%/static/charts/{name}-1.0.0.tgz\n"
        )
    }

    const OTHER: &str = "---\nkind: ConfigMap\ndata:\n  a: |\n    ---\n    b\n";

    #[test]
    fn a_manifest_of_carried_charts_alone_is_left_out() {
        assert_eq!(without_charts(&(chart("traefik-crd") + &chart("traefik"))), None);
        assert_eq!(without_charts(&format!("# of traefik\n{}---\n# the end\n", chart("traefik"))), None);
    }

    #[test]
    fn other_documents_of_a_manifest_stay() {
        for manifest in [chart("a") + OTHER, OTHER.to_owned() + &chart("a"), chart("a") + OTHER + &chart("b")]
        {
            assert_eq!(without_charts(&manifest).as_deref(), Some(OTHER), "{manifest}");
        }
    }

    #[test]
    fn charts_from_elsewhere_stay() {
        let elsewhere = chart("a").replace("%{KUBERNETES_API}%/static", "example.org");
        let commented = format!("{elsewhere}  # chart: https://{CARRIED_CHART}a.tgz\n");
        assert_eq!(without_charts(&elsewhere).as_deref(), Some(&*elsewhere));
        assert_eq!(without_charts(&commented).as_deref(), Some(&*commented));
    }

    #[test]
    fn manifests_in_subdirectories_are_found() {
        let directory = tempfile::tempdir().unwrap();
        let place = |name: &str| directory.path().join(name);
        fs::create_dir(place("sub")).unwrap();
        fs::write(place("traefik.yaml"), chart("traefik")).unwrap();
        fs::write(place("sub/mixed.yaml"), chart("a") + OTHER).unwrap();
        fs::write(place("binary"), b"\xff").unwrap();
        leave_out_charts(directory.path()).unwrap();
        assert!(!place("traefik.yaml").exists());
        assert_eq!(fs::read_to_string(place("sub/mixed.yaml")).unwrap(), OTHER);
        assert_eq!(fs::read(place("binary")).unwrap(), b"\xff");
    }
}
