//! The style sheet, the scripts and the icon, embedded in the binary and served under one content hash.
//!
//! All files share the hash, so that they refer to each other by name; any change gives all of them a new address, and
//! an address never changes its content. Hence the caching for a year.

use std::sync::LazyLock;

use axum::{
    extract::Path,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use sha2::{Digest, Sha256};

struct Asset {
    name: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
}

macro_rules! assets {
    ($($name:literal $kind:literal;)*) => {
        &[$(Asset { name: $name, kind: $kind, bytes: include_bytes!(concat!("../../assets/", $name)) }),*]
    };
}

const ASSETS: &[Asset] = assets! {
    "vestibule.css" "text/css; charset=utf-8";
    "vestibule.js" "text/javascript; charset=utf-8";
    "copy.js" "text/javascript; charset=utf-8";
    "dialog.js" "text/javascript; charset=utf-8";
    "menu.js" "text/javascript; charset=utf-8";
    "theme.js" "text/javascript; charset=utf-8";
    "logs.js" "text/javascript; charset=utf-8";
    "frame.js" "text/javascript; charset=utf-8";
    "passkeys.js" "text/javascript; charset=utf-8";
    "addresses.js" "text/javascript; charset=utf-8";
    "favicon.svg" "image/svg+xml";
};

static HASH: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    for asset in ASSETS {
        hash.update((asset.bytes.len() as u64).to_be_bytes());
        hash.update(asset.bytes);
    }
    hex::encode(&hash.finalize()[..8])
});

/// The address of an embedded file, for example `/_static/1f2e…/vestibule.css`.
pub fn url(name: &str) -> String {
    debug_assert!(
        ASSETS.iter().any(|asset| asset.name == name),
        "no asset is named {name}"
    );
    format!("/_static/{}/{name}", HASH.as_str())
}

/// `GET /_static/{hash}/{name}`.
///
/// A page of an older build may still ask under its own hash; it gets today's file, which is then not to be kept.
pub async fn serve(Path((hash, name)): Path<(String, String)>, headers: HeaderMap) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return (StatusCode::NOT_FOUND, "There is no such file.\n").into_response();
    };
    let tag = format!("\"{}\"", HASH.as_str());
    let current = hash == *HASH;
    let caching = if current {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let known = headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|value| value.trim().trim_start_matches("W/") == tag);
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        asset.bytes.into_response()
    };
    let answer = response.headers_mut();
    answer.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.kind));
    answer.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    answer.insert(
        header::ETAG,
        HeaderValue::try_from(tag).expect("a quoted hex text is a header value"),
    );
    answer.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    answer.insert(
        "cross-origin-resource-policy",
        HeaderValue::from_static("same-origin"),
    );
    response
}

/// The text of an embedded file; for tests that read tokens or module names.
#[cfg(test)]
fn text(name: &str) -> &'static str {
    let asset = ASSETS
        .iter()
        .find(|asset| asset.name == name)
        .expect("the test names an asset");
    std::str::from_utf8(asset.bytes).expect("assets are text")
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn get(hash: &str, name: &str, known: Option<&str>) -> Response {
        let mut headers = HeaderMap::new();
        if let Some(tag) = known {
            headers.insert(header::IF_NONE_MATCH, tag.parse().expect("a header value"));
        }
        serve(Path((hash.to_owned(), name.to_owned())), headers).await
    }

    #[tokio::test]
    async fn a_file_under_its_hash_may_be_kept_for_ever() {
        let response = get(&HASH, "vestibule.css", None).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(
            response.headers()[header::CACHE_CONTROL],
            "public, max-age=31536000, immutable"
        );
        assert_eq!(
            response.headers()[header::CONTENT_TYPE],
            "text/css; charset=utf-8"
        );
    }

    #[tokio::test]
    async fn a_file_under_an_old_hash_is_served_but_not_kept() {
        let response = get("0123", "vestibule.js", None).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-cache");
    }

    #[tokio::test]
    async fn a_known_tag_is_answered_without_the_file() {
        let tag = format!("\"x\", W/\"{}\"", HASH.as_str());
        assert_eq!(
            get(&HASH, "copy.js", Some(&tag)).await.status(),
            StatusCode::NOT_MODIFIED
        );
    }

    #[tokio::test]
    async fn an_unknown_name_is_not_found() {
        assert_eq!(
            get(&HASH, "../Cargo.toml", None).await.status(),
            StatusCode::NOT_FOUND
        );
    }

    #[test]
    fn every_module_that_a_script_imports_is_embedded() {
        for asset in ASSETS
            .iter()
            .filter(|asset| asset.kind.starts_with("text/javascript"))
        {
            for line in text(asset.name)
                .lines()
                .filter(|line| line.starts_with("import "))
            {
                let name = line
                    .split('"')
                    .nth(1)
                    .and_then(|path| path.strip_prefix("./"));
                assert!(
                    ASSETS.iter().any(|other| Some(other.name) == name),
                    "{}: {line}",
                    asset.name
                );
            }
        }
    }

    /// Relative luminance (WCAG 2.2 §1.4.3) of `#rrggbb`.
    fn luminance(color: &str) -> f64 {
        let channel = |at: usize| {
            let value = u8::from_str_radix(&color[at..at + 2], 16).expect("two hex digits");
            let value = f64::from(value) / 255.0;
            if value <= 0.040_45 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    }

    /// The light and the dark color of a token.
    fn token(name: &str) -> [&'static str; 2] {
        let start = format!("--{name}: light-dark(");
        let (_, rest) = text("vestibule.css")
            .split_once(&start)
            .unwrap_or_else(|| panic!("no token {name}"));
        let (light, rest) = rest.split_once(", ").expect("two colors");
        [light, rest.split_once(')').expect("a closing bracket").0]
    }

    #[test]
    fn text_and_its_ground_differ_enough_in_both_themes() {
        let grounds = ["paper", "surface", "sunken", "hover"];
        let mut pairs: Vec<(&str, &str, f64)> = Vec::new();
        for ink in ["ink", "ink-2", "ink-3", "accent"] {
            pairs.extend(grounds.iter().map(|ground| (ink, *ground, 4.5)));
        }
        for tone in ["good", "warn", "bad"] {
            pairs.extend([(tone, "surface", 4.5), (tone, "sunken", 4.5)]);
        }
        pairs.extend([
            ("good", "good-soft", 4.5),
            ("warn", "warn-soft", 4.5),
            ("bad", "bad-soft", 4.5),
            ("accent", "accent-soft", 4.5),
            ("ink-2", "accent-soft", 4.5),
            ("ink-3", "good-soft", 4.5),
            ("ink-3", "bad-soft", 4.5),
            ("on-accent", "accent", 4.5),
            ("on-accent", "accent-hover", 4.5),
            ("on-bad", "bad-fill", 4.5),
            ("line-strong", "surface", 3.0),
            ("line-strong", "paper", 3.0),
            ("focus", "paper", 3.0),
            ("focus", "surface", 3.0),
        ]);
        for (ink, ground, least) in pairs {
            for theme in 0..2 {
                let (a, b) = (
                    luminance(token(ink)[theme]),
                    luminance(token(ground)[theme]),
                );
                let ratio = (a.max(b) + 0.05) / (a.min(b) + 0.05);
                assert!(
                    ratio >= least,
                    "{ink} on {ground}, theme {theme}: {ratio:.2} < {least}"
                );
            }
        }
    }
}
