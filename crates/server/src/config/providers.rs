//! Outside providers of identities: which ones people may sign in by, with the server's credentials at each.
//!
//! A provider is a file: shipped with the program, or the operator's own. Its credentials are settings
//! `provider.<name>.…`, so that they can come from the environment or a secret file as every secret can.

use std::{collections::BTreeMap, fs, path::Path, path::PathBuf};

use secret::SecretString;

pub use super::provider_file::{ClientAuth, Definition, EmailFields, Protocol, UserFields};
use super::{
    RawConfig, Setting, Span,
    provider_file::{SHIPPED, check_issuer, is_name},
    raw::nearest,
    setting::{Value, section},
};

section! {
    /// How people come back from outside providers of identities, and where those are described.
    OutsideSignIn {
        /// Directory of the operator's own providers of identities, one file `<name>.toml` each.
        /// `<data_dir>/providers` when left out.
        "issuer.providers_dir" providers_dir: Option<PathBuf>,
        /// How long an answer of a provider may take.
        "issuer.provider_timeout" provider_timeout: Span = "10s",
        /// Schemes of the addresses that a sign-in at Google, begun by a program, may return to, separated by commas.
        "issuer.redirect_schemes" redirect_schemes: Schemes = "https,http",
        /// Addresses that such a sign-in may return to, and everything below them, separated by commas, for example
        /// `https://app.example.com/signed-in`. Addresses with http or https are accepted below one of these only;
        /// http only on this machine, and only while `server.public_url` is http too.
        "issuer.redirect_prefixes" redirect_prefixes: Prefixes = "none",
    }
}

/// The settings of one provider, as they are declared; `<name>` stands for its name.
pub(super) const PROVIDER_SETTINGS: &[Setting] = &[
    Setting {
        key: "provider.<name>.client_id",
        default: "",
        doc: "The server's id at the provider, from its registration there. Makes the provider's button appear.",
        expected: "a text",
        secret: false,
    },
    Setting {
        key: "provider.<name>.client_secret",
        default: "",
        doc: "The server's secret at the provider.",
        expected: "a secret text",
        secret: true,
    },
    Setting {
        key: "provider.<name>.enabled",
        default: "true",
        doc: "Whether people may sign in by the provider. Identities that are joined to accounts stay.",
        expected: "true or false",
        secret: false,
    },
    Setting {
        key: "provider.<name>.issuer",
        default: "",
        doc: "Another issuer than the file says, for an instance of one's own.",
        expected: "an https address",
        secret: false,
    },
    Setting {
        key: "provider.<name>.tenant",
        default: "",
        doc: "What stands for `{tenant}` in the issuer of the file. Microsoft's needs it.",
        expected: "a text",
        secret: false,
    },
];

/// The setting that a dotted key such as `provider.google.client_id` sets.
pub(super) fn find_setting(key: &str) -> Option<&'static Setting> {
    let (name, field) = key.strip_prefix("provider.")?.split_once('.')?;
    let declared = |setting: &&Setting| setting.key.rsplit('.').next() == Some(field);
    PROVIDER_SETTINGS
        .iter()
        .find(declared)
        .filter(|_| is_name(name))
}

/// A provider that people may sign in by.
#[derive(Debug, Clone)]
pub struct Provider {
    /// Its name in addresses and settings, for example `google`.
    pub name: String,
    /// How it is spoken to; nothing is left to be filled in.
    pub definition: Definition,
    /// The server's id there.
    pub client_id: String,
    /// The server's secret there.
    pub client_secret: Option<SecretString>,
}

/// Reads the files and the credentials of all providers, noting mistakes in `raw`.
pub(super) fn read(raw: &mut RawConfig, directory: Option<&Path>) -> Vec<Provider> {
    let mut definitions = BTreeMap::new();
    for (name, text) in SHIPPED {
        let definition = Definition::parse(text).expect("a test reads the shipped files");
        definitions.insert(name.to_owned(), definition);
    }
    if let Some(directory) = directory {
        read_directory(raw, directory, &mut definitions);
    }
    let mut providers = Vec::new();
    for name in raw.provider_names() {
        let Some(definition) = definitions.get(&name) else {
            let hint = nearest(&name, definitions.keys().map(String::as_str));
            raw.mistake(format!(
                "provider.{name}: there is no provider of this name, shipped or in the providers directory{hint}"
            ));
            continue;
        };
        match configure(raw, &name, definition.clone()) {
            Ok(Some(provider)) => providers.push(provider),
            Ok(None) => {}
            Err(mistake) => raw.mistake(format!("provider.{name}: {mistake}")),
        }
    }
    providers
}

fn read_directory(
    raw: &mut RawConfig,
    directory: &Path,
    definitions: &mut BTreeMap<String, Definition>,
) {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error)
            if error.kind() == std::io::ErrorKind::NotFound
                && !raw.is_set("issuer.providers_dir") =>
        {
            return;
        }
        Err(error) => {
            return raw.mistake(format!("providers in {}: {error}", directory.display()));
        }
    };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let shown = path.display();
        let name = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or("");
        if !is_name(name) {
            raw.mistake(format!(
                "{shown}: a provider is named by 1 to 30 small letters, digits and inner hyphens, and not like a page"
            ));
            continue;
        }
        let text = fs::read_to_string(&path).map_err(|error| error.to_string());
        match text.and_then(|text| Definition::parse(&text)) {
            // The operator's own word counts, for a shipped name too.
            Ok(definition) => drop(definitions.insert(name.to_owned(), definition)),
            Err(mistake) => raw.mistake(format!("{shown}: {mistake}")),
        }
    }
}

fn configure(
    raw: &RawConfig,
    name: &str,
    mut definition: Definition,
) -> Result<Option<Provider>, String> {
    let written = |field: &str| {
        raw.written(&format!("provider.{name}.{field}"))
            .map(|(value, _)| value.trim().to_owned())
            .filter(|value| !value.is_empty())
    };
    match written("enabled").as_deref() {
        None | Some("true") => {}
        Some("false") => return Ok(None),
        Some(other) => return Err(format!("enabled: {other:?} is not true or false")),
    }
    let client_id = written("client_id").ok_or("client_id is missing")?;
    let client_secret = written("client_secret").map(SecretString::new);
    match (definition.client_auth, &client_secret) {
        (ClientAuth::None, Some(_)) => {
            return Err(
                "client_secret is set, but the provider's file says client_auth = \"none\"".into(),
            );
        }
        (ClientAuth::Basic | ClientAuth::Post, None) => {
            return Err("client_secret is missing".into());
        }
        _ => {}
    }
    let (issuer_setting, tenant) = (written("issuer"), written("tenant"));
    match &mut definition.protocol {
        Protocol::Oidc { issuer, .. } => {
            if let Some(other) = issuer_setting {
                check_issuer(&other, definition.allow_private_addresses)?;
                *issuer = other;
            }
            match tenant {
                Some(tenant) if !issuer.contains("{tenant}") => {
                    return Err(format!(
                        "tenant is set to {tenant:?}, but the issuer has no {{tenant}}"
                    ));
                }
                Some(tenant) => {
                    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
                    if !tenant.bytes().all(plain) {
                        return Err(format!("tenant: {tenant:?} is not an id or a domain"));
                    }
                    if ["common", "organizations", "consumers"].contains(&tenant.as_str()) {
                        return Err(format!(
                            "tenant: {tenant:?} stands for many tenants, whose addresses prove nothing; name one"
                        ));
                    }
                    *issuer = issuer.replace("{tenant}", &tenant);
                }
                None if issuer.contains("{tenant}") => {
                    return Err("tenant is missing; the provider's file needs it".into());
                }
                None => {}
            }
        }
        Protocol::Oauth2 { .. } if issuer_setting.is_some() || tenant.is_some() => {
            return Err("issuer and tenant have no meaning for kind = \"oauth2\"".into());
        }
        Protocol::Oauth2 { .. } => {}
    }
    Ok(Some(Provider {
        name: name.to_owned(),
        definition,
        client_id,
        client_secret,
    }))
}

/// Schemes of addresses, lower-case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schemes(Vec<String>);

impl Schemes {
    /// Whether a scheme is one of them.
    pub fn contains(&self, scheme: &str) -> bool {
        self.0.iter().any(|own| own == scheme)
    }
}

impl Value for Schemes {
    const EXPECTED: &'static str =
        "schemes such as https, http, myapp; those that run in a browser page are refused";

    fn read(text: &str) -> Option<Self> {
        let is_scheme = |scheme: &str| {
            scheme.starts_with(|first: char| first.is_ascii_lowercase())
                && scheme
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b))
                && ![
                    "javascript",
                    "data",
                    "blob",
                    "file",
                    "vbscript",
                    "about",
                    "filesystem",
                ]
                .contains(&scheme)
        };
        let schemes: Vec<_> = list(text).map(str::to_ascii_lowercase).collect();
        schemes
            .iter()
            .all(|scheme| is_scheme(scheme))
            .then_some(Self(schemes))
    }
}

/// Addresses, each of which stands for everything below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefixes(Vec<url::Url>);

impl Prefixes {
    /// The addresses.
    pub fn urls(&self) -> &[url::Url] {
        &self.0
    }
}

impl Value for Prefixes {
    const EXPECTED: &'static str =
        "none, or addresses such as https://app.example.com/signed-in, separated by commas";

    fn read(text: &str) -> Option<Self> {
        if text == "none" {
            return Some(Self(Vec::new()));
        }
        let read = |text: &str| {
            let url = url::Url::parse(text).ok()?;
            let plain = url.has_host()
                && url.query().is_none()
                && url.fragment().is_none()
                && url.username().is_empty()
                && url.password().is_none();
            plain.then_some(url)
        };
        list(text).map(read).collect::<Option<_>>().map(Self)
    }
}

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Sources};

    const OWN: &str = "label = \"Own\"\nkind = \"oidc\"\nissuer = \"http://127.0.0.1:9\"\nscopes = [\"openid\"]\nclient_auth = \"none\"\nallow_private_addresses = true\n";

    fn load(settings: &[(&str, &str)], environment: &[(&str, &str)]) -> Result<Config, String> {
        let own = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .map(|&(k, v)| (k.to_owned(), v.to_owned()))
                .collect()
        };
        let sources = Sources {
            flags: own(settings),
            environment: own(environment),
            file: None,
        };
        Config::load(&sources)
            .map(|(config, _)| config)
            .map_err(|errors| errors.to_string())
    }

    #[test]
    fn credentials_make_a_provider_appear() {
        assert!(load(&[], &[]).unwrap().providers.is_empty());
        let config = load(
            &[("provider.google.client_id", "us")],
            &[("VESTIBULE_PROVIDER__GOOGLE__CLIENT_SECRET", "hush")],
        )
        .unwrap();
        assert_eq!(config.providers[0].name, "google");
        assert!(!format!("{config:?}").contains("hush"));
    }

    #[test]
    fn each_mistake_is_explained() {
        let id = ("provider.google.client_id", "us");
        for (settings, part) in [
            (&[id][..], "client_secret is missing"),
            (
                &[("provider.google.client_secret", "x")],
                "client_id is missing",
            ),
            (&[("provider.gogle.client_id", "x")], "did you mean google"),
            (
                &[("provider.google.client_idd", "x")],
                "did you mean provider.google.client_id",
            ),
            (
                &[
                    id,
                    ("provider.google.client_secret", "x"),
                    ("provider.google.tenant", "x"),
                ],
                "tenant",
            ),
            (
                &[
                    ("provider.microsoft.client_id", "x"),
                    ("provider.microsoft.client_secret", "x"),
                ],
                "tenant is missing",
            ),
            (
                &[
                    ("provider.microsoft.client_id", "x"),
                    ("provider.microsoft.client_secret", "x"),
                    ("provider.microsoft.tenant", "common"),
                ],
                "many tenants",
            ),
            (
                &[id, ("provider.google.enabled", "perhaps")],
                "not true or false",
            ),
            (
                &[("issuer.providers_dir", "/nowhere/at/all")],
                "/nowhere/at/all",
            ),
            (
                &[("issuer.redirect_schemes", "javascript")],
                "issuer.redirect_schemes",
            ),
        ] {
            let error = load(settings, &[]).unwrap_err();
            assert!(error.contains(part), "{part} is missing in: {error}");
        }
    }

    #[test]
    fn the_operators_files_are_read_and_their_mistakes_named() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().display().to_string();
        let providers = directory.path().join("providers");
        std::fs::create_dir(&providers).unwrap();
        std::fs::write(providers.join("our-own.toml"), OWN).unwrap();
        let environment = [("VESTIBULE_PROVIDER__OUR_OWN__CLIENT_ID", "us")];
        let settings = [("server.data_dir", data.as_str())];
        let config = load(&settings, &environment).unwrap();
        assert_eq!(config.providers[0].name, "our-own");
        std::fs::write(providers.join("bad.toml"), "label = ").unwrap();
        std::fs::write(providers.join("Bad name.toml"), OWN).unwrap();
        let error = load(&settings, &environment).unwrap_err();
        assert!(
            error.contains("bad.toml") && error.contains("Bad name.toml"),
            "{error}"
        );
    }

    #[test]
    fn an_issuer_of_ones_own_replaces_that_of_the_file() {
        let config = load(
            &[
                ("provider.gitlab.client_id", "us"),
                ("provider.gitlab.client_secret", "hush"),
                ("provider.gitlab.issuer", "https://git.example.com"),
            ],
            &[],
        );
        let shown = format!("{:?}", config.unwrap().providers[0].definition.protocol);
        assert!(shown.contains("https://git.example.com"), "{shown}");
    }
}
