//! URLs as users and logs may see them: without what lets others in.

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
        // A password may hold an `@` of its own, a host none.
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
    fn credentials_of_every_url_in_a_text_are_hidden() {
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
