//! Signing in by an outside provider of identities: leaving for it, and coming back.

use axum::{extract::FromRequestParts, response::Response};
use http::{HeaderMap, request::Parts};
use serde::Deserialize;

use super::{
    cookies::{self, JOINING_COOKIE, Kept},
    next::Next,
    ui::Tone,
    visit::{Visit, add_cookie, go},
};
use crate::{
    Context, Error,
    actions::accounts::outside::{self, Browser, CameBack, Journey, Return},
    extract::{Path, Query},
};

/// How long a browser keeps what binds a trip to it: a little longer than a trip may take.
const TRIP_SECONDS: i64 = 15 * 60;

#[derive(Deserialize)]
pub(super) struct Leaving {
    #[serde(default)]
    next: String,
}

/// What binds trips to this browser, as it came.
pub(super) struct Came(HeaderMap);

impl FromRequestParts<Context> for Came {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Context) -> Result<Self, Self::Rejection> {
        Ok(Self(parts.headers.clone()))
    }
}

impl Came {
    /// What an outside identity that waits is joined with.
    pub(super) fn joining(&self) -> Option<&str> {
        cookies::cookie(&self.0, JOINING_COOKIE)
    }

    fn cookie(&self, context: &Context) -> Option<&str> {
        cookies::cookie(&self.0, cookies::browser_cookie(&context.config))
    }
}

/// `GET /signin/{provider}`.
pub(super) async fn leave(
    visit: Visit,
    came: Came,
    Path(provider): Path<String>,
    Query(query): Query<Leaving>,
) -> Result<Response, Error> {
    let next = Next::parse(&query.next).to_string();
    send(&visit, &came, &provider, Journey::SignIn { next }).await
}

/// Sends the person to a provider.
pub(super) async fn send(
    visit: &Visit,
    came: &Came,
    provider: &str,
    journey: Journey,
) -> Result<Response, Error> {
    let context = &visit.context;
    context.outside_rate.check(visit.peer)?;
    let browser = Browser::read_or_fresh(came.cookie(context));
    let address = outside::begin(context, provider, journey, &browser).await?;
    let mut response = go(&address);
    let name = cookies::browser_cookie(&context.config);
    let kept = Kept::Seconds(TRIP_SECONDS);
    add_cookie(
        &mut response,
        cookies::set(&context.config, name, browser.value(), kept),
    );
    Ok(response)
}

/// `GET /signin/{provider}/callback`.
pub(super) async fn come_back(
    visit: Visit,
    came: Came,
    Path(provider): Path<String>,
    Query(back): Query<Return>,
) -> Result<Response, Error> {
    let context = &visit.context;
    context.outside_rate.check(visit.peer)?;
    let browser = came.cookie(context).and_then(Browser::read);
    let caller = visit.find_caller();
    let came_back = outside::come_back(
        context,
        &provider,
        &back,
        browser.as_ref(),
        caller,
        &visit.device,
    )
    .await?;
    match came_back {
        CameBack::Finished { next, finished } => visit.go_on(&Next::parse(&next), finished).await,
        CameBack::Joining(joining) => {
            let finish = "/account/connections/finish";
            let mut response = if caller.is_some() {
                go(finish)
            } else {
                visit.go_saying(
                    &format!("/signin?next={finish}"),
                    Tone::Note,
                    "There is an account with your address already. Sign in to it the way you always do; then the two can be connected.",
                )
            };
            let left = joining.expires_at.as_second() - context.now().as_second();
            let value = joining.token.expose();
            add_cookie(
                &mut response,
                cookies::set(&context.config, JOINING_COOKIE, value, Kept::Seconds(left)),
            );
            Ok(response)
        }
    }
}
