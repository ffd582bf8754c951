//! What a provider of identities is: read from a file of ours or of the operator, and checked.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de::Error as _};
use url::Url;

/// The shipped providers: name and text.
pub(super) const SHIPPED: [(&str, &str); 4] = [
    ("github", include_str!("../../providers/github.toml")),
    ("gitlab", include_str!("../../providers/gitlab.toml")),
    ("google", include_str!("../../providers/google.toml")),
    ("microsoft", include_str!("../../providers/microsoft.toml")),
];

/// Names that stand for other things in the addresses below `/signin`.
const RESERVED: [&str; 8] = [
    "code",
    "factor",
    "finish",
    "link",
    "passkey",
    "password",
    "recovery",
    "second-factor",
];
/// Longest name of a provider.
const LONGEST_NAME: usize = 30;

/// How a provider is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// What people read on the button.
    pub label: String,
    /// The protocol and its addresses.
    pub protocol: Protocol,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// How the server proves to the provider who it is.
    pub client_auth: ClientAuth,
    /// Further parameters of every authorization request.
    pub authorize: BTreeMap<String, String>,
    /// Further parameters where the provider's tokens are to be kept.
    pub authorize_offline: BTreeMap<String, String>,
    /// Whether the provider may be on a private address, and without TLS. Only an operator's own file can say so.
    pub allow_private_addresses: bool,
}

/// The protocol that a provider speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "there are a handful, made once at start"
)]
pub enum Protocol {
    /// OpenID Connect, with discovery.
    Oidc {
        /// The issuer, exactly as its ID tokens say it; may hold `{tenant}`.
        issuer: String,
        /// The claim that says whether the address was verified.
        email_verified_claim: String,
        /// Whether every address the provider tells was verified, whatever it says: for a company's own provider.
        emails_are_verified: bool,
    },
    /// OAuth 2.0, where the person is read from an API.
    Oauth2 {
        /// The authorization endpoint.
        authorize_url: Url,
        /// The token endpoint.
        token_url: Url,
        /// Where the person is read from.
        user: UserFields,
        /// Where the person's addresses are read from, when not from the same place.
        emails: Option<EmailFields>,
    },
}

/// How the server proves to a provider who it is (RFC 6749 §2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientAuth {
    /// The secret in an `Authorization: Basic` header.
    Basic,
    /// The secret in the form.
    Post,
    /// There is no secret; PKCE alone protects the code.
    None,
}

/// An API that tells of the person, and the members of its JSON object.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserFields {
    /// The address.
    #[serde(deserialize_with = "url")]
    pub url: Url,
    /// The id of the person: a text or a whole number.
    pub subject: String,
    /// The name of the person's account.
    pub username: Option<String>,
    /// The person's name.
    pub name: Option<String>,
    /// The address of a picture.
    pub avatar: Option<String>,
    /// The email address.
    pub email: Option<String>,
    /// Whether that was verified.
    pub email_verified: Option<String>,
}

/// An API that tells of the person's addresses, and the members of each object in its JSON array.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmailFields {
    /// The address of the API.
    #[serde(deserialize_with = "url")]
    pub url: Url,
    /// The email address.
    pub address: String,
    /// Whether it was verified.
    pub verified: String,
    /// Whether it is the one to use.
    pub primary: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    label: String,
    kind: Kind,
    #[serde(default)]
    scopes: Vec<String>,
    client_auth: ClientAuth,
    #[serde(default)]
    authorize: BTreeMap<String, String>,
    #[serde(default)]
    authorize_offline: BTreeMap<String, String>,
    #[serde(default)]
    allow_private_addresses: bool,
    issuer: Option<String>,
    email_verified_claim: Option<String>,
    #[serde(default)]
    emails_are_verified: bool,
    #[serde(default, deserialize_with = "maybe_url")]
    authorize_url: Option<Url>,
    #[serde(default, deserialize_with = "maybe_url")]
    token_url: Option<Url>,
    user: Option<UserFields>,
    emails: Option<EmailFields>,
}

fn url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Url, D::Error> {
    let text = String::deserialize(deserializer)?;
    Url::parse(&text).map_err(|error| D::Error::custom(format!("{text:?}: {error}")))
}

fn maybe_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Url>, D::Error> {
    url(deserializer).map(Some)
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Oidc,
    Oauth2,
}

/// Whether a text can name a provider: it stands in addresses, keys and environment variables.
pub(super) fn is_name(name: &str) -> bool {
    (1..=LONGEST_NAME).contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && !name.ends_with('-')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !RESERVED.contains(&name)
}

impl Definition {
    /// Reads a file. The message says what is wrong, for somebody who wrote it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let file: File =
            toml::from_str(text).map_err(|error| error.to_string().trim().to_owned())?;
        let label = file.label.trim().to_owned();
        if !(1..=40).contains(&label.chars().count()) || label.chars().any(char::is_control) {
            return Err("label takes 1 to 40 characters".to_owned());
        }
        let bad_scope = |scope: &&String| scope.is_empty() || scope.contains(char::is_whitespace);
        if let Some(scope) = file.scopes.iter().find(bad_scope) {
            return Err(format!("scopes: {scope:?} is not one scope"));
        }
        let own = [
            "client_id",
            "code_challenge",
            "code_challenge_method",
            "nonce",
            "redirect_uri",
        ];
        let own = own
            .into_iter()
            .chain(["response_type", "response_mode", "scope", "state"]);
        for name in own {
            if file.authorize.contains_key(name) || file.authorize_offline.contains_key(name) {
                return Err(format!("authorize: {name} is set by Vestibule itself"));
            }
        }
        let protocol = file.protocol()?;
        Ok(Self {
            label,
            protocol,
            scopes: file.scopes,
            client_auth: file.client_auth,
            authorize: file.authorize,
            authorize_offline: file.authorize_offline,
            allow_private_addresses: file.allow_private_addresses,
        })
    }
}

impl File {
    fn protocol(&self) -> Result<Protocol, String> {
        let absent = |name: &str, is_set: bool, kind: &str| {
            if is_set {
                Err(format!("{name} has no meaning for kind = {kind:?}"))
            } else {
                Ok(())
            }
        };
        let needed =
            |name: &str, kind: &str| format!("{name} is missing; kind = {kind:?} needs it");
        match self.kind {
            Kind::Oidc => {
                absent("authorize_url", self.authorize_url.is_some(), "oidc")?;
                absent("token_url", self.token_url.is_some(), "oidc")?;
                absent("user", self.user.is_some(), "oidc")?;
                absent("emails", self.emails.is_some(), "oidc")?;
                let issuer = self
                    .issuer
                    .clone()
                    .ok_or_else(|| needed("issuer", "oidc"))?;
                check_issuer(&issuer, self.allow_private_addresses)?;
                if !self.scopes.iter().any(|scope| scope == "openid") {
                    return Err("scopes: kind = \"oidc\" needs the scope openid".to_owned());
                }
                let claim = self.email_verified_claim.clone();
                Ok(Protocol::Oidc {
                    issuer,
                    email_verified_claim: claim.unwrap_or_else(|| "email_verified".to_owned()),
                    emails_are_verified: self.emails_are_verified,
                })
            }
            Kind::Oauth2 => {
                absent("issuer", self.issuer.is_some(), "oauth2")?;
                absent(
                    "email_verified_claim",
                    self.email_verified_claim.is_some(),
                    "oauth2",
                )?;
                absent("emails_are_verified", self.emails_are_verified, "oauth2")?;
                let url = |name: &str, url: &Option<Url>| {
                    let url = url.clone().ok_or_else(|| needed(name, "oauth2"))?;
                    self.check_url(name, &url).map(|()| url)
                };
                let user = self
                    .user
                    .clone()
                    .ok_or_else(|| needed("[user]", "oauth2"))?;
                self.check_url("user.url", &user.url)?;
                if let Some(emails) = &self.emails {
                    self.check_url("emails.url", &emails.url)?;
                }
                Ok(Protocol::Oauth2 {
                    authorize_url: url("authorize_url", &self.authorize_url)?,
                    token_url: url("token_url", &self.token_url)?,
                    user,
                    emails: self.emails.clone(),
                })
            }
        }
    }

    fn check_url(&self, name: &str, url: &Url) -> Result<(), String> {
        check_url(name, url, self.allow_private_addresses)
    }
}

/// Whether an issuer can be looked up and compared: an address without query and fragment (OpenID Connect Discovery §3).
pub(super) fn check_issuer(issuer: &str, allow_private_addresses: bool) -> Result<(), String> {
    let filled = issuer.replace("{tenant}", "tenant");
    let url = Url::parse(&filled).map_err(|error| format!("issuer: {issuer:?}: {error}"))?;
    check_url("issuer", &url, allow_private_addresses)?;
    if url.query().is_some() || url.fragment().is_some() || issuer.contains(char::is_whitespace) {
        return Err(format!(
            "issuer: {issuer:?} has a query, a fragment or white space"
        ));
    }
    Ok(())
}

fn check_url(name: &str, url: &Url, allow_private_addresses: bool) -> Result<(), String> {
    let scheme = match url.scheme() {
        "https" => true,
        "http" => allow_private_addresses,
        _ => false,
    };
    if !scheme {
        return Err(format!(
            "{name}: {url} does not begin with https:// (http:// needs allow_private_addresses = true)"
        ));
    }
    if !url.has_host() || !url.username().is_empty() || url.password().is_some() {
        return Err(format!("{name}: {url} is no plain address"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = "label = \"Own\"\nkind = \"oidc\"\nissuer = \"https://id.example.com\"\nscopes = [\"openid\"]\nclient_auth = \"basic\"\n";

    #[test]
    fn the_shipped_providers_are_good() {
        for (name, text) in SHIPPED {
            let definition =
                Definition::parse(text).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(is_name(name) && !definition.allow_private_addresses);
        }
    }

    #[test]
    fn each_mistake_is_explained() {
        let oidc = |more: &str| Definition::parse(&format!("{GOOD}{more}")).unwrap_err();
        for (error, part) in [
            (oidc("colour = \"red\""), "colour"),
            (oidc("token_url = \"https://a.example\""), "token_url"),
            (oidc("[authorize]\nstate = \"x\""), "state"),
            (
                Definition::parse(&GOOD.replace("openid", "email")).unwrap_err(),
                "openid",
            ),
            (
                Definition::parse(&GOOD.replace("https", "http")).unwrap_err(),
                "https://",
            ),
            (
                Definition::parse(&GOOD.replace("basic", "maybe")).unwrap_err(),
                "maybe",
            ),
            (Definition::parse("label = 1").unwrap_err(), "label"),
            (
                Definition::parse(&GOOD.replace("oidc", "oauth2")).unwrap_err(),
                "issuer",
            ),
        ] {
            assert!(error.contains(part), "{part} is missing in: {error}");
        }
    }

    #[test]
    fn names_are_plain_and_not_those_of_our_own_pages() {
        for good in ["google", "own-2", "a"] {
            assert!(is_name(good), "{good}");
        }
        for bad in [
            "",
            "-a",
            "a-",
            "A",
            "a_b",
            "2a",
            "a.b",
            "passkey",
            &"a".repeat(31),
        ] {
            assert!(!is_name(bad), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_file_is_read_or_refused_without_a_panic(text: String, tail in "[a-z_]{1,9} = [\\[\\]{}\"a-z]{0,9}") {
            let _ = Definition::parse(&text);
            let _ = Definition::parse(&format!("{GOOD}{tail}"));
        }
    }
}
