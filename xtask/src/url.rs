//! `file://` URLs, and removal of credentials from URLs.

use std::path::{Path, PathBuf};
use url::Url;

/// Returns the `file://` URL of an absolute path, percent-encoded (RFC 8089).
///
/// Commas and bars are encoded as well, since they separate the URLs of a GOPROXY
/// (go.dev/ref/mod#environment-variables).
pub fn file_url(path: &Path) -> String {
    let url = Url::from_file_path(path).map_or_else(|()| format!("file://{}", path.display()), String::from);
    url.replace(',', "%2C").replace('|', "%7C")
}

/// Returns the path that a `file://` URL names, or nothing for another URL.
pub fn file_path(url: &str) -> Option<PathBuf> {
    Url::parse(url).ok().filter(|url| url.scheme() == "file").and_then(|url| url.to_file_path().ok())
}

/// Returns a text in which no URL names a user, a password or a query, where tokens are put.
///
/// It takes any text and not a URL alone, so that the places where texts leave this program (the terminal, the
/// logs, what is written beside a product) can apply it to everything, messages of other programs included.
pub fn without_credentials(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + "://".len());
        shown.push_str(before);
        let authority = after.find(|c: char| c.is_whitespace() || "/?#".contains(c)).unwrap_or(after.len());
        // One text may hold several URLs with no blank between them (GOPROXY).
        let authority = after.find("://").map_or(authority, |next| next.min(authority));
        // A password may contain `@`, a host cannot.
        let host = after[..authority].rfind('@').map_or(0, |user| user + 1);
        shown.push_str(&after[host..authority]);
        rest = &after[authority..];
        let url = rest.find(|c: char| c.is_whitespace() || "\"'`<>".contains(c)).unwrap_or(rest.len());
        let url = rest[..url].find("://").unwrap_or(url);
        match rest[..url].find('?') {
            Some(query) if query + 1 < url => {
                shown.push_str(&rest[..query]);
                shown.push_str("?…");
            }
            _ => shown.push_str(&rest[..url]),
        }
        rest = &rest[url..];
    }
    shown + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_urls_are_percent_encoded() {
        for (path, url) in [
            ("/srv/k3s", "file:///srv/k3s"),
            ("/srv/a b/%41", "file:///srv/a%20b/%2541"),
            ("/x,y|z/#1?", "file:///x%2Cy%7Cz/%231%3F"),
            ("/目录", "file:///%E7%9B%AE%E5%BD%95"),
        ] {
            assert_eq!(file_url(Path::new(path)), url);
            assert_eq!(file_path(url).as_deref(), Some(Path::new(path)));
        }
        assert_eq!(file_path("https://host.example/k3s"), None);
    }

    #[test]
    fn hides_credentials_of_all_urls() {
        for (given, shown) in [
            ("https://me:secret@host.example/k3s", "https://host.example/k3s"),
            ("https://token@host.example", "https://host.example"),
            ("https://me:p@ss@host.example/a@b", "https://host.example/a@b"),
            ("https://host.example/a@b", "https://host.example/a@b"),
            ("git@host.example:me/k3s", "git@host.example:me/k3s"),
            ("../k3s", "../k3s"),
            ("https://host.example/k3s?token=secret", "https://host.example/k3s?…"),
            ("https://host.example?token=secret#a", "https://host.example?…"),
            ("is it https://host.example/?", "is it https://host.example/?"),
            (
                "fatal: 'https://me:secret@host.example/k3s/' not found, nor http://t@x.example:80",
                "fatal: 'https://host.example/k3s/' not found, nor http://x.example:80",
            ),
            ("Get \"https://me:secret@a.example\": EOF", "Get \"https://a.example\": EOF"),
            ("https://a:secret@x.example,https://b:secret@y.example", "https://x.example,https://y.example"),
            ("https://x.example/p,https://b:secret@y.example/q", "https://x.example/p,https://y.example/q"),
            ("url.https://a:secret@x.example/.insteadOf", "url.https://x.example/.insteadOf"),
        ] {
            assert_eq!(without_credentials(given), shown);
        }
    }
}
