//! Addresses as people and logs may see them.

/// An address as it may be shown: without the name and password that can stand before its host.
pub fn without_credentials(location: &str) -> String {
    let Some((scheme, rest)) = location.split_once("://") else { return location.to_owned() };
    let host = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..host].rfind('@') {
        Some(at) => format!("{scheme}://{}", &rest[at + 1..]),
        None => location.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_password() {
        for (given, shown) in [
            ("https://me:secret@host.example/k3s", "https://host.example/k3s"),
            ("https://token@host.example", "https://host.example"),
            ("https://me:p@ss@host.example/a@b", "https://host.example/a@b"),
            ("https://host.example/a@b", "https://host.example/a@b"),
            ("git@host.example:me/k3s", "git@host.example:me/k3s"),
            ("../k3s", "../k3s"),
        ] {
            assert_eq!(without_credentials(given), shown);
        }
    }
}
