//! Registering, changing and removing services.

use accounts::{Scopes, Service, service::check_secret};
use ids::ServiceId;
use secret::SecretString;
use storage::EventKind;
use token::{OpaqueKind, OpaqueToken};

use crate::{Change, Context, Error, random};

/// Longest name, in characters.
const LONGEST_NAME: usize = 100;
/// Longest audience, in characters.
const LONGEST_AUDIENCE: usize = 200;

/// A service to be registered.
#[derive(Debug, Clone)]
pub struct NewService {
    /// The id it will give with each call.
    pub id: ServiceId,
    /// The name people see; the id when left out.
    pub name: Option<String>,
    /// The audience of its users' access tokens; the issuer's default when left out.
    pub audience: Option<String>,
    /// What it may ask.
    pub scopes: Scopes,
    /// A secret that it has already; a new one is made when left out.
    pub secret: Option<SecretString>,
}

/// A service with the secret it was given just now. The secret cannot be shown again.
#[derive(Debug, Clone)]
pub struct Registered {
    /// The record.
    pub service: Service,
    /// What the service sends as `X-Internal-Token`.
    pub secret: SecretString,
}

/// What is to be changed about a service; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct ServiceChange {
    /// The name people see.
    pub name: Option<String>,
    /// The audience; `Some(None)` for the issuer's default.
    pub audience: Option<Option<String>>,
    /// What it may ask.
    pub scopes: Option<Scopes>,
    /// Whether it is refused.
    pub disabled: Option<bool>,
}

/// Registers a service. An id that is taken is 409.
pub async fn add(context: &Context, new: NewService) -> Result<Registered, Error> {
    let secret = fresh_or_checked(new.secret)?;
    let now = context.now();
    let service = Service {
        name: text(
            "name",
            new.name.as_deref().unwrap_or(new.id.as_str()),
            LONGEST_NAME,
        )?,
        audience: audience(new.audience.as_deref())?,
        secret: Some(digest(context, &new.id, &secret)),
        scopes: new.scopes,
        disabled: false,
        created_at: now,
        updated_at: now,
        id: new.id,
    };
    let record = service.clone();
    context
        .change(move |change| {
            change.services().insert(&record)?;
            change.event(EventKind::ServiceChanged, &record.id)
        })
        .await?;
    Ok(Registered { service, secret })
}

/// Gives a service another secret: the one brought along, or a new one. The old one, the tokens that were exchanged for
/// it and the streams opened with it end at once.
pub async fn rotate_secret(
    context: &Context,
    id: &ServiceId,
    secret: Option<SecretString>,
) -> Result<Registered, Error> {
    let secret = fresh_or_checked(secret)?;
    let digest = digest(context, id, &secret);
    let service = change(context, id, move |service| service.secret = Some(digest)).await?;
    Ok(Registered { service, secret })
}

/// Changes what a service may and how it is called.
pub async fn update(
    context: &Context,
    id: &ServiceId,
    wanted: ServiceChange,
) -> Result<Service, Error> {
    let name = wanted
        .name
        .map(|name| text("name", &name, LONGEST_NAME))
        .transpose()?;
    let audience = wanted
        .audience
        .map(|value| audience(value.as_deref()))
        .transpose()?;
    change(context, id, move |service| {
        if let Some(name) = &name {
            service.name.clone_from(name);
        }
        if let Some(audience) = &audience {
            service.audience.clone_from(audience);
        }
        if let Some(scopes) = &wanted.scopes {
            service.scopes.clone_from(scopes);
        }
        if let Some(disabled) = wanted.disabled {
            service.disabled = disabled;
        }
    })
    .await
}

/// Removes a service; what it was given is worthless at once.
pub async fn remove(context: &Context, id: &ServiceId) -> Result<(), Error> {
    let id = id.clone();
    context
        .change(move |change| {
            change.services().delete(&id)?;
            change.event(EventKind::ServiceChanged, &id)
        })
        .await
}

/// The service of this id, disabled or not.
pub async fn find_service(context: &Context, id: &ServiceId) -> Result<Option<Service>, Error> {
    let id = id.clone();
    Ok(context
        .storage
        .read(move |tx| tx.services().find(&id))
        .await?)
}

/// Every service, by id.
pub async fn list_services(context: &Context) -> Result<Vec<Service>, Error> {
    Ok(context.storage.scan(|tx| tx.services().list()).await?)
}

async fn change(
    context: &Context,
    id: &ServiceId,
    mut edit: impl FnMut(&mut Service) + Send + 'static,
) -> Result<Service, Error> {
    let (id, now) = (id.clone(), context.now());
    context
        .change(move |change: &mut Change<'_>| {
            let mut service = change.services().find(&id)?.ok_or_else(Error::not_found)?;
            edit(&mut service);
            service.updated_at = now;
            change.services().update(&service)?;
            change.event(EventKind::ServiceChanged, &id)?;
            Ok(service)
        })
        .await
}

fn fresh_or_checked(secret: Option<SecretString>) -> Result<SecretString, Error> {
    match secret {
        Some(secret) => {
            check_secret(secret.expose()).map_err(|error| Error::field("secret", error))?;
            Ok(secret)
        }
        None => Ok(OpaqueToken::generate(OpaqueKind::Service, random::bytes()).reveal()),
    }
}

fn digest(context: &Context, id: &ServiceId, secret: &SecretString) -> [u8; 32] {
    context.service_keys.digest(id.as_str(), secret.expose())
}

fn audience(value: Option<&str>) -> Result<Option<String>, Error> {
    value
        .map(|value| text("audience", value, LONGEST_AUDIENCE))
        .transpose()
}

fn text(field: &'static str, value: &str, longest: usize) -> Result<String, Error> {
    let value = value.trim();
    let fits = (1..=longest).contains(&value.chars().count());
    if !fits || value.chars().any(char::is_control) {
        return Err(Error::field(
            field,
            format!("it has 1 to {longest} characters and no control characters"),
        ));
    }
    Ok(value.to_owned())
}
