//! From what a caller of the private API presents to who it is and what it may ask.

use std::sync::Arc;

use accounts::{
    Scopes, Service,
    service::{EVENT_STREAM, INTROSPECTION, LONGEST_SECRET, USER_CREATE},
};
use ids::ServiceId;

use crate::{Context, Error};

/// What is presented. Nothing of it has been verified.
#[derive(Debug, Clone, Copy)]
pub enum Proof<'r> {
    /// The one secret that all services of the first generation share.
    Shared(&'r str),
    /// A service's id and its secret.
    Secret {
        /// The id as sent.
        service: &'r str,
        /// The secret as sent.
        secret: &'r str,
    },
    /// A token that was exchanged for such a secret.
    Token(&'r str),
}

/// Who calls the private API.
#[derive(Debug, Clone)]
pub struct PrivateClient {
    /// The service; `None` for holders of the shared secret.
    service: Option<Arc<Service>>,
    /// What its token was narrowed to; `None` when it holds all that its service does.
    narrowed: Option<Scopes>,
    /// Whether it showed a token and not the secret itself.
    by_token: bool,
}

/// What holders of the shared secret may ask: all that can be answered without knowing which service asks.
const SHARED_SCOPES: [&str; 3] = [INTROSPECTION, EVENT_STREAM, USER_CREATE];

impl PrivateClient {
    /// The service that calls; `None` when it showed the shared secret.
    pub fn service(&self) -> Option<&Arc<Service>> {
        self.service.as_ref()
    }

    /// The id of the service that calls.
    pub fn id(&self) -> Option<&ServiceId> {
        self.service.as_ref().map(|service| &service.id)
    }

    /// Whether it may ask what needs this scope.
    pub fn holds(&self, scope: &str) -> bool {
        let service_holds = match &self.service {
            Some(service) => service.scopes.contains(scope),
            None => SHARED_SCOPES.contains(&scope),
        };
        service_holds
            && self
                .narrowed
                .as_ref()
                .is_none_or(|scopes| scopes.contains(scope))
    }

    /// Whether it showed a token and not the secret itself.
    pub const fn by_token(&self) -> bool {
        self.by_token
    }

    /// Whether what it showed would still be accepted, the end of a token's time aside: for answers that take long.
    pub(crate) async fn still_stands(&self, context: &Context, scope: &str) -> Result<bool, Error> {
        let Some(then) = &self.service else {
            return Ok(true);
        };
        let registry = context.services().await?;
        Ok(registry.get(&then.id).is_some_and(|now| {
            now.may_call() && now.secret == then.secret && now.scopes.contains(scope)
        }))
    }
}

/// Who presents this, if it is good. An unknown service and a wrong secret give the same, after the same work.
pub async fn authenticate(
    context: &Context,
    proof: Proof<'_>,
) -> Result<Option<PrivateClient>, Error> {
    let whole = |service| PrivateClient {
        service,
        narrowed: None,
        by_token: false,
    };
    match proof {
        Proof::Shared(presented) => {
            let expected = context.config.issuer.private_api_secret.as_ref();
            let is_equal = expected.is_some_and(|expected| expected.equals(presented.as_bytes()));
            Ok(is_equal.then(|| whole(None)))
        }
        Proof::Secret { service, secret } => {
            if secret.len() > LONGEST_SECRET || !ServiceId::is_valid(service) {
                return Ok(None);
            }
            let registry = context.services().await?;
            let known = registry.get(service);
            let kept = known
                .filter(|service| service.may_call())
                .and_then(|service| service.secret);
            let is_equal = context.service_keys.verify_secret(service, secret, kept);
            Ok(known
                .filter(|_| is_equal)
                .map(|known| whole(Some(Arc::clone(known)))))
        }
        Proof::Token(token) => {
            let registry = context.services().await?;
            let digest_of = |id: &str| {
                let service = registry.get(id).filter(|service| service.may_call());
                service.and_then(|service| service.secret)
            };
            let Ok(claims) = context.service_keys.verify(token, digest_of, context.now()) else {
                return Ok(None);
            };
            let service = registry.get(claims.service.as_str()).map(Arc::clone);
            let narrowed = claims.scope.parse().ok();
            Ok(service
                .zip(narrowed)
                .map(|(service, narrowed)| PrivateClient {
                    service: Some(service),
                    narrowed: Some(narrowed),
                    by_token: true,
                }))
        }
    }
}
