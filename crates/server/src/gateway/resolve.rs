//! Phase 1, resolve host: which app a request is for.
//!
//! Contract: reads the target and the `Host` field only. Whether such an app exists is not known here.

use http::{HeaderMap, Uri, header};
use ids::Slug;

use crate::Config;

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Destination {
    /// To our own pages and APIs.
    Shell,
    /// To the app of this name.
    App(Slug),
    /// To a host below the apps domain that no app can have.
    Nowhere,
    /// Nobody can tell: there are several `Host` fields, or an unreadable one.
    Unclear,
}

/// Resolves the host. An absolute target counts before the field (RFC 9112 §3.2.2).
pub(crate) fn resolve(config: &Config, uri: &Uri, headers: &HeaderMap) -> Destination {
    let mut fields = headers.get_all(header::HOST).iter();
    let (field, further) = (fields.next(), fields.next());
    if further.is_some() {
        return Destination::Unclear;
    }
    let host = match (uri.authority(), field) {
        (Some(authority), _) => authority.as_str(),
        (None, Some(field)) => match field.to_str() {
            Ok(host) => host,
            Err(_) => return Destination::Unclear,
        },
        (None, None) => return Destination::Shell,
    };
    let shell = config.public_url.host_str().unwrap_or_default();
    let name = host.rsplit_once('@').map_or(host, |(_user, host)| host);
    let name = without_port(name);
    if name.eq_ignore_ascii_case(shell) {
        return Destination::Shell;
    }
    if !is_below(
        name.trim_end_matches('.'),
        config.server.apps_domain.as_str(),
    ) {
        return Destination::Shell;
    }
    let slug = config
        .app_label(name)
        .and_then(|label| label.to_ascii_lowercase().parse().ok());
    slug.map_or(Destination::Nowhere, Destination::App)
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

fn is_below(name: &str, domain: &str) -> bool {
    let Some(at) = name.len().checked_sub(domain.len() + 1) else {
        return false;
    };
    name.as_bytes()[at] == b'.'
        && name
            .get(at + 1..)
            .is_some_and(|end| end.eq_ignore_ascii_case(domain))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;
    use crate::config::Sources;

    fn config(flags: &[(&str, &str)]) -> Config {
        let flags = flags
            .iter()
            .map(|&(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        Config::load(&Sources {
            flags,
            environment: Vec::new(),
            file: None,
        })
        .unwrap()
        .0
    }

    fn to(config: &Config, target: &str, hosts: &[&str]) -> Destination {
        let headers = hosts
            .iter()
            .map(|host| (header::HOST, HeaderValue::from_str(host).unwrap()))
            .collect();
        resolve(config, &target.parse().unwrap(), &headers)
    }

    #[test]
    fn hosts_below_the_apps_domain_are_apps_and_others_are_ours() {
        let config = config(&[]);
        let app = |slug: &str| Destination::App(slug.parse().unwrap());
        for (host, destination) in [
            ("notes.localhost:8080", app("notes")),
            ("NOTES.LocalHost", app("notes")),
            ("localhost:8080", Destination::Shell),
            ("127.0.0.1:8080", Destination::Shell),
            ("[::1]:8080", Destination::Shell),
            ("evil.example", Destination::Shell),
            ("noteslocalhost", Destination::Shell),
            ("www.localhost", Destination::Nowhere),
            ("a.notes.localhost", Destination::Nowhere),
            (".localhost", Destination::Nowhere),
            ("notes.localhost.", Destination::Nowhere),
            ("no_tes.localhost", Destination::Nowhere),
            ("", Destination::Shell),
        ] {
            assert_eq!(to(&config, "/", &[host]), destination, "{host}");
        }
    }

    #[test]
    fn an_absolute_target_counts_before_the_field_and_two_fields_are_unclear() {
        let config = config(&[]);
        let notes = Destination::App("notes".parse().unwrap());
        assert_eq!(
            to(&config, "http://notes.localhost/", &["localhost"]),
            notes
        );
        assert_eq!(
            to(&config, "http://localhost/", &["notes.localhost"]),
            Destination::Shell
        );
        assert_eq!(
            to(&config, "/", &["notes.localhost", "localhost"]),
            Destination::Unclear
        );
    }

    #[test]
    fn the_pages_may_live_below_the_apps_domain_under_their_own_name() {
        let config = config(&[
            ("server.public_url", "https://home.example.com"),
            ("server.apps_domain", "example.com"),
        ]);
        assert_eq!(to(&config, "/", &["home.example.com"]), Destination::Shell);
        assert_eq!(
            to(&config, "/", &["notes.example.com"]),
            Destination::App("notes".parse().unwrap())
        );
    }

    proptest! {
        #[test]
        fn any_host_is_resolved_without_a_panic(bytes in prop::collection::vec(prop_oneof![0x20_u8..0x7f, 0x80_u8..=0xff], 0..40)) {
            let config = config(&[]);
            let mut host = bytes;
            for end in [&b""[..], b".localhost", b"localhost"] {
                host.extend_from_slice(end);
                let value = HeaderValue::from_bytes(&host).unwrap();
                let headers = HeaderMap::from_iter([(header::HOST, value)]);
                resolve(&config, &Uri::from_static("/"), &headers);
            }
        }
    }
}
