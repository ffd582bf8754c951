//! `POST /user/private/v1/jti-status`: whether an access token is still good. Asked once a request by services that keep
//! nothing, so it is kept lean.

use accounts::service::INTROSPECTION;
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::header;
use serde::Deserialize;

use crate::{
    Context,
    actions::accounts::{access_standing, is_access_active},
    error::IssuerError,
    extract::PrivateCaller,
};

/// The version that names the account.
const VERSION: &str = "2";

/// What is asked: version 1 names a token only, version 2 (chosen by `expected_user_id`) its account, too.
#[derive(Deserialize)]
struct Question {
    #[serde(default)]
    jti: Option<String>,
    #[serde(default)]
    expected_user_id: Option<String>,
    #[serde(default)]
    schema_version: Option<String>,
}

pub(super) async fn answer(
    State(context): State<Context>,
    caller: PrivateCaller,
    body: Bytes,
) -> Result<Response, IssuerError> {
    caller.require(INTROSPECTION)?;
    let question: Question = super::object(&body)
        .ok_or_else(|| IssuerError::invalid("jti", "Input should be a valid string"))?;
    let jti = match question.jti.as_deref() {
        None => return Err(IssuerError::missing_fields(&["jti"])),
        Some("") => {
            return Err(IssuerError::invalid(
                "jti",
                "String should have at least 1 character",
            ));
        }
        Some(jti) => jti,
    };
    let Some(expected) = question.expected_user_id.as_deref() else {
        let active = is_access_active(&context, jti)
            .await
            .map_err(IssuerError::of_private)?;
        let text: &'static [u8] = if active {
            br#"{"active":true}"#
        } else {
            br#"{"active":false}"#
        };
        return Ok(json(Bytes::from_static(text)));
    };
    let inactive = || {
        json(Bytes::from_static(
            br#"{"schema_version":"2","active":false}"#,
        ))
    };
    if question
        .schema_version
        .as_deref()
        .is_some_and(|version| version != VERSION)
    {
        return Ok(inactive());
    }
    let standing = access_standing(&context, jti)
        .await
        .map_err(IssuerError::of_private)?;
    Ok(match standing {
        Some(standing) if standing.account.to_string() == expected => json(Bytes::from(format!(
            r#"{{"schema_version":"2","active":true,"user_id":"{}","auth_generation":{}}}"#,
            standing.account, standing.generation
        ))),
        _ => inactive(),
    })
}

fn json(text: Bytes) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, text).into_response()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_body_makes_reading_the_question_panic(body: Vec<u8>) {
            let _ = super::super::object::<Question>(&body);
        }
    }
}
