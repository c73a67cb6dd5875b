//! Upstream's pages with which a first use can be compared.

use crate::url::without_credentials;

/// Returns the page of a tag.
pub fn page_of_tag(url: &str, tag: &str) -> String {
    let url = without_credentials(url);
    match url.strip_prefix("https://github.com/") {
        Some(repository) => {
            let repository = repository.trim_end_matches('/').trim_end_matches(".git");
            format!("https://github.com/{repository}/releases/tag/{}", tag.replace('+', "%2B"))
        }
        None => url,
    }
}

/// Returns the page of a file: for an asset its release, where GitHub shows the digest; for a chart its history.
pub fn page_of_file(url: &str) -> String {
    let url = without_credentials(url);
    let split = |marker: &str| url.split_once(marker).map(|(before, after)| (before, after.to_owned()));
    if let Some((repository, asset)) = split("/releases/download/") {
        let tag = asset.split('/').next().unwrap_or_default();
        return format!("{repository}/releases/tag/{tag}");
    }
    match url.strip_prefix("https://k3s.io/k3s-charts/") {
        Some(path) => format!("https://github.com/k3s-io/k3s-charts/commits/main/{path}"),
        None => url,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_of_upstream() {
        let k3s = "https://github.com/k3s-io/k3s";
        assert_eq!(page_of_tag(k3s, "v1.35.0+k3s1"), format!("{k3s}/releases/tag/v1.35.0%2Bk3s1"));
        assert_eq!(page_of_tag(&format!("{k3s}.git"), "v1"), format!("{k3s}/releases/tag/v1"));
        assert_eq!(page_of_tag("https://me:secret@git.example/k3s", "v1"), "https://git.example/k3s");
        assert_eq!(
            page_of_file("https://github.com/k3s-io/k3s-root/releases/download/v0.15.0/k3s-root-riscv64.tar"),
            "https://github.com/k3s-io/k3s-root/releases/tag/v0.15.0"
        );
        assert_eq!(
            page_of_file("https://k3s.io/k3s-charts/assets/traefik/traefik-1.tgz"),
            "https://github.com/k3s-io/k3s-charts/commits/main/assets/traefik/traefik-1.tgz"
        );
    }
}
