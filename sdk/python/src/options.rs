//! The keyword arguments of `Client` as the configuration of the Rust client.

use std::{collections::HashMap, sync::Arc, time::Duration};

use pyo3::{
    prelude::*,
    types::{PyDict, PyString},
};
use secret::Secret;
use token::{KeySet, VerifyingKey};
use url::Url;
use vestibule_client::{
    Config, Credential, Expectations, FailureMode, IntrospectionVersion, KeySource,
    PERMISSIVE_LEEWAY, RevocationSource, STRICT_LEEWAY, StalePolicy,
};

use crate::{
    errors::configuration,
    keys::{Keys, algorithm},
};

/// Keyword arguments that are taken one by one, so that one we do not know is noticed.
struct Options<'py>(HashMap<String, Bound<'py, PyAny>>);

impl<'py> Options<'py> {
    fn take<T>(&mut self, name: &str) -> PyResult<Option<T>>
    where
        T: for<'a> FromPyObject<'a, 'py, Error: Into<PyErr>>,
    {
        let value = self.0.remove(name).filter(|value| !value.is_none());
        value
            .map(|value| value.extract().map_err(Into::into))
            .transpose()
    }

    fn url(&mut self, name: &str) -> PyResult<Option<Url>> {
        let text: Option<String> = self.take(name)?;
        text.map(|text| {
            Url::parse(&text)
                .map_err(|error| configuration(format!("{name} is no address: {error}")))
        })
        .transpose()
    }
}

/// Reads the configuration.
pub(crate) fn config(options: Option<&Bound<'_, PyDict>>) -> PyResult<Config> {
    let mut given = HashMap::new();
    for (name, value) in options.into_iter().flatten() {
        given.insert(name.cast::<PyString>()?.to_str()?.to_owned(), value);
    }
    let mut options = Options(given);
    let algorithm_name: String = options.take("algorithm")?.unwrap_or("RS256".to_owned());
    let strict = options.take("strict")?.unwrap_or(true);
    let expected = Expectations {
        algorithm: algorithm(&algorithm_name)?,
        issuer: options.take("issuer")?,
        audience: options.take("audience")?,
        leeway: if strict {
            STRICT_LEEWAY
        } else {
            PERMISSIVE_LEEWAY
        },
        strict,
        uuid_subject: options.take("uuid_subject")?.unwrap_or(true),
        agreeing_privileges: options.take("consistent_privileges")?.unwrap_or(true),
    };
    let mut config = Config::new(keys(&mut options)?, expected);
    if let Some(seconds) = options.take("jwks_cache_seconds")? {
        config.key_set_lifetime = duration("jwks_cache_seconds", seconds)?;
    }
    config.revocation = match options.take::<String>("revocations")?.as_deref() {
        None | Some("off") => RevocationSource::Off,
        Some("feed") => RevocationSource::Feed,
        Some("introspection") => RevocationSource::Introspection,
        Some("by_hand") => RevocationSource::ByHand,
        Some(other) => {
            return Err(configuration(format!(
                "unknown revocations {other:?}; expected off, feed, introspection or by_hand"
            )));
        }
    };
    if let Some(name) = options.take::<String>("stale_policy")? {
        config.stale_policy = stale_policy(&name)?;
    }
    config.failure_mode = match options.take::<String>("failure_mode")?.as_deref() {
        None | Some("fail_closed") => FailureMode::FailClosed,
        Some("fail_open") => FailureMode::FailOpen,
        Some(other) => {
            return Err(configuration(format!(
                "unknown failure_mode {other:?}; expected fail_closed or fail_open"
            )));
        }
    };
    config.introspection_url = options.url("introspection_url")?;
    config.events_url = options.url("events_url")?;
    if let Some(seconds) = options.take("introspection_kept_seconds")? {
        config.introspection_kept = duration("introspection_kept_seconds", seconds)?;
    }
    config.introspection_version = match options.take::<u8>("introspection_version")? {
        None | Some(2) => IntrospectionVersion::V2,
        Some(1) => IntrospectionVersion::V1,
        Some(_) => return Err(configuration("introspection_version is 1 or 2")),
    };
    config.credential = credential(&mut options)?;
    if let Some(key) = options.take::<String>("event_signing_key")? {
        config.event_key = Some(Arc::new(token::EventKey::new(&Secret::new(key))));
    }
    if let Some(accept) = options.take("accept_unsigned_events")? {
        config.accept_unsigned_events = accept;
    }
    if let Some(seconds) = options.take("feed_lookback_seconds")? {
        config.feed_lookback = duration("feed_lookback_seconds", seconds)?;
    }
    if let Some(keep) = options.take("raw_claims")? {
        config.keep_payload = keep;
    }
    if let Some(identities) = options.take("identities")? {
        config.identities = identities;
    }
    if let Some(unknown) = options.0.keys().next() {
        return Err(configuration(format!("unknown option {unknown:?}")));
    }
    config.check().map_err(configuration)?;
    Ok(config)
}

/// Reads the name of a policy.
pub(crate) fn stale_policy(name: &str) -> PyResult<StalePolicy> {
    StalePolicy::from_name(name).ok_or_else(|| {
        configuration(format!(
            "unknown stale_policy {name:?}; expected introspect, fail_closed or fail_open"
        ))
    })
}

fn keys(options: &mut Options<'_>) -> PyResult<KeySource> {
    let url = options.url("jwks_uri")?;
    let pem: Option<String> = options.take("public_key_pem")?;
    let secret: Option<String> = options.take("secret")?;
    let keys: Option<PyRef<'_, Keys>> = options.take("keys")?;
    // A key set that is fetched wins over a key that lies there, since it is the one that gets new keys.
    if let Some(url) = url {
        return Ok(KeySource::Fetched(url));
    }
    if let Some(keys) = keys {
        return Ok(KeySource::Fixed(KeySet::clone(&keys.0)));
    }
    let key = match (pem, secret) {
        (Some(pem), _) => VerifyingKey::from_pem(&pem),
        (None, Some(secret)) => VerifyingKey::from_secret(&Secret::new(secret.as_bytes().to_vec())),
        (None, None) => {
            return Err(configuration(
                "no key to verify tokens with; set JWKS_URI, ACCESS_PUBLIC_KEY_FILE or, for HS256, ACCESS_SECRET_KEY",
            ));
        }
    };
    let key = key.map_err(configuration)?;
    Ok(KeySource::Fixed(KeySet::alone(key)))
}

fn credential(options: &mut Options<'_>) -> PyResult<Option<Credential>> {
    let secret: Option<String> = options.take("private_api_secret")?;
    let id: Option<String> = options.take("internal_client_id")?;
    let url = options.url("service_token_url")?;
    let scopes: Option<Vec<String>> = options.take("service_token_scopes")?;
    let renew_early = options.take("service_token_renew_early_seconds")?;
    let Some(secret) = secret.map(Secret::new) else {
        return Ok(None);
    };
    Ok(Some(match (id, url) {
        (Some(id), Some(url)) => Credential::ServiceToken {
            id,
            secret,
            url,
            scopes: scopes.unwrap_or_default(),
            renew_early: duration(
                "service_token_renew_early_seconds",
                renew_early.unwrap_or(30.0),
            )?,
        },
        (Some(id), None) => Credential::Client { id, secret },
        (None, _) => Credential::Secret(secret),
    }))
}

fn duration(name: &str, seconds: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(seconds)
        .map_err(|error| configuration(format!("{name} is no number of seconds: {error}")))
}
