//! Where a sign-in that a program began may lead to. The address gets a code appended, so it must be the program's.

use url::Url;

use crate::config::Config;

/// Longest address, in bytes.
const LONGEST: usize = 2048;

/// Why an address is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TargetRefusal {
    /// There is none.
    #[error("redirect_target is required.")]
    Missing,
    /// It is longer than 2048 bytes.
    #[error("redirect_target is too long.")]
    TooLong,
    /// It is none that the configuration allows.
    #[error("redirect_target is not allowed.")]
    NotAllowed,
}

/// An address that is allowed, as it will be used.
pub(super) fn check(config: &Config, text: &str) -> Result<Url, TargetRefusal> {
    if text.is_empty() {
        return Err(TargetRefusal::Missing);
    }
    if text.len() > LONGEST {
        return Err(TargetRefusal::TooLong);
    }
    // Browsers read these in ways of their own: tabs and line ends vanish, a backslash becomes a slash.
    let is_odd =
        |character: char| character.is_control() || character.is_whitespace() || character == '\\';
    let url = Url::parse(text).ok().filter(|_| !text.contains(is_odd));
    let url = url.ok_or(TargetRefusal::NotAllowed)?;
    let is_plain =
        url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
    let settings = &config.outside;
    if !is_plain || !settings.redirect_schemes.contains(url.scheme()) {
        return Err(TargetRefusal::NotAllowed);
    }
    let is_development = config.public_url.scheme() == "http";
    let prefixes = settings.redirect_prefixes.urls();
    let is_pinned = prefixes.iter().any(|prefix| is_below(&url, prefix));
    let is_scheme_pinned = prefixes
        .iter()
        .any(|prefix| prefix.scheme() == url.scheme());
    let allowed = match url.scheme() {
        "https" => is_pinned,
        "http" => is_pinned && is_development && is_this_machine(&url),
        // An extension that is not named may be anybody's.
        "chrome-extension" => is_pinned || (is_development && !is_scheme_pinned),
        _ => is_pinned || !is_scheme_pinned,
    };
    if allowed {
        Ok(url)
    } else {
        Err(TargetRefusal::NotAllowed)
    }
}

/// Whether an address is a prefix or lies below it: the same scheme, host and port, and whole path segments.
fn is_below(url: &Url, prefix: &Url) -> bool {
    let place = |url: &Url| {
        (
            url.scheme().to_owned(),
            url.host_str().map(str::to_owned),
            url.port_or_known_default(),
        )
    };
    let path = prefix.path().trim_end_matches('/');
    place(url) == place(prefix)
        && url
            .path()
            .strip_prefix(path)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn is_this_machine(url: &Url) -> bool {
    matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::Sources;

    fn config(settings: &[(&str, &str)]) -> Config {
        let flags = settings
            .iter()
            .map(|&(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        let sources = Sources {
            flags,
            ..Sources::default()
        };
        Config::load(&sources).expect("good settings").0
    }

    fn pinned(public_url: &str) -> Config {
        config(&[
            ("server.public_url", public_url),
            (
                "issuer.redirect_schemes",
                "https,http,myapp,chrome-extension",
            ),
            (
                "issuer.redirect_prefixes",
                "https://app.example.com/in, http://localhost:5173, chrome-extension://abcdef/",
            ),
        ])
    }

    #[test]
    fn only_addresses_below_a_prefix_are_allowed() {
        let config = pinned("http://localhost:8080");
        for good in [
            "https://app.example.com/in",
            "https://app.example.com/in/",
            "https://APP.example.com:443/in/a?b=c",
            "http://localhost:5173/x",
            "myapp://callback",
            "chrome-extension://abcdef/page.html",
        ] {
            assert!(check(&config, good).is_ok(), "{good}");
        }
        for bad in [
            "https://app.example.com/",
            "https://app.example.com/inside",
            "https://app.example.com/in/../out",
            "https://app.example.com/in/%2e%2e/out",
            "https://app.example.com.evil.example/in",
            "https://app.example.com@evil.example/in",
            "https://evil.example/in#https://app.example.com/in",
            "https://app.example.com:8443/in",
            "http://app.example.com/in",
            "http://localhost:5174/",
            "https://app.example.com/in#x",
            "https://app.example.com\\in",
            "https://app.example.com/in\t",
            "//app.example.com/in",
            "/in",
            "javascript:alert(1)",
            "data:text/html,x",
            "chrome-extension://other/",
            "other://callback",
        ] {
            assert_eq!(check(&config, bad), Err(TargetRefusal::NotAllowed), "{bad}");
        }
        assert_eq!(check(&config, ""), Err(TargetRefusal::Missing));
        let long = format!("https://app.example.com/in/{}", "a".repeat(2048));
        assert_eq!(check(&config, &long), Err(TargetRefusal::TooLong));
    }

    #[test]
    fn plain_http_is_for_development_only() {
        let config = pinned("https://home.example.com");
        assert!(check(&config, "http://localhost:5173/x").is_err());
        assert!(check(&config, "https://app.example.com/in").is_ok());
    }

    #[test]
    fn an_extension_that_is_not_named_is_for_development_only() {
        let schemes = ("issuer.redirect_schemes", "chrome-extension");
        let development = config(&[schemes]);
        assert!(check(&development, "chrome-extension://abcdef/").is_ok());
        let production = config(&[schemes, ("server.public_url", "https://home.example.com")]);
        assert!(check(&production, "chrome-extension://abcdef/").is_err());
    }

    #[test]
    fn without_prefixes_no_web_address_is_allowed() {
        assert!(check(&config(&[]), "https://app.example.com/").is_err());
    }

    proptest! {
        #[test]
        fn what_is_allowed_is_the_programs(text in "(https?:)?[/\\\\]{0,3}[a-z.@:\\\\/#%2e-]{0,30}(app\\.example\\.com)?/?(in)?[a-z/.%2e]{0,9}") {
            if let Ok(url) = check(&pinned("http://localhost:8080"), &text) {
                let place = (url.scheme(), url.host_str().unwrap_or_default());
                prop_assert!(
                    place == ("https", "app.example.com") || place == ("http", "localhost"), "{}", url
                );
            }
        }
    }
}
