//! What providers tell of a person, brought into one form.

use accounts::Told;
use serde_json::{Map, Value};

use crate::config::{EmailFields, UserFields};

/// From the claims of OpenID Connect (Core §5.1).
pub(super) fn claims_told(
    subject: &str,
    claims: &Map<String, Value>,
    email_verified_claim: &str,
) -> Told {
    let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
    Told {
        subject: subject.to_owned(),
        email: text("email"),
        email_verified: claims.get(email_verified_claim).is_some_and(is_true),
        name: text("name"),
        avatar: text("picture"),
        username: text("preferred_username"),
    }
}

/// From an API that tells of the person, and perhaps another that tells of their addresses. `None` when it does not say
/// who they are.
pub(super) fn person_told(
    person: &Value,
    fields: &UserFields,
    addresses: Option<(&EmailFields, Vec<Value>)>,
) -> Option<Told> {
    let member = |name: &Option<String>| person.get(name.as_deref()?);
    let text = |name: &Option<String>| member(name)?.as_str().map(str::to_owned);
    let subject = match person.get(&fields.subject)? {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.as_u64()?.to_string(),
        _ => return None,
    };
    let (email, email_verified) = match addresses {
        Some((fields, list)) => pick(fields, &list),
        None => (
            text(&fields.email),
            member(&fields.email_verified).is_some_and(is_true),
        ),
    };
    Some(Told {
        subject,
        email,
        email_verified,
        name: text(&fields.name),
        avatar: text(&fields.avatar),
        username: text(&fields.username),
    })
}

/// The address to use: the primary one if it was verified, else another verified one, else the first, unverified.
fn pick(fields: &EmailFields, list: &[Value]) -> (Option<String>, bool) {
    let verified = |entry: &&Value| entry.get(&fields.verified).is_some_and(is_true);
    let primary = |entry: &&Value| {
        let name = fields.primary.as_deref();
        name.and_then(|name| entry.get(name)).is_some_and(is_true)
    };
    let address = |entry: &Value| entry.get(&fields.address)?.as_str().map(str::to_owned);
    let good = || list.iter().filter(verified);
    let chosen = good()
        .find(primary)
        .or_else(|| good().next())
        .and_then(address);
    match chosen {
        Some(address) => (Some(address), true),
        None => (list.first().and_then(address), false),
    }
}

/// Yes, in each of the ways in which providers say it.
fn is_true(value: &Value) -> bool {
    match value {
        Value::Bool(truth) => *truth,
        Value::String(text) => matches!(text.as_str(), "true" | "1"),
        Value::Number(number) => number.as_u64() == Some(1),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::config::{Config, Protocol, Sources};

    /// The fields of the shipped file for GitHub.
    fn github() -> (UserFields, EmailFields) {
        let setting = |key: &str| (format!("provider.github.{key}"), "x".to_owned());
        let sources = Sources {
            flags: vec![setting("client_id"), setting("client_secret")],
            ..Sources::default()
        };
        let (config, _) = Config::load(&sources).expect("good settings");
        match &config.providers[0].definition.protocol {
            Protocol::Oauth2 { user, emails, .. } => {
                (user.clone(), emails.clone().expect("a list of addresses"))
            }
            Protocol::Oidc { .. } => panic!("GitHub speaks OAuth 2.0"),
        }
    }

    #[test]
    fn the_verified_primary_address_of_a_list_is_taken() {
        let (user, emails) = github();
        let person = json!({ "id": 583_231, "login": "octocat", "name": null, "email": "public@example.com" });
        let told = |list: Value| {
            let list = list.as_array().expect("a list").clone();
            let told = person_told(&person, &user, Some((&emails, list))).expect("somebody");
            (told.email, told.email_verified)
        };
        let entry = |email: &str, primary: bool, verified: bool| json!({ "email": email, "primary": primary, "verified": verified });
        let yes = |email: &str| (Some(email.to_owned()), true);
        assert_eq!(
            told(json!([
                entry("b@x.org", false, true),
                entry("a@x.org", true, true)
            ])),
            yes("a@x.org")
        );
        assert_eq!(
            told(json!([
                entry("a@x.org", true, false),
                entry("b@x.org", false, true)
            ])),
            yes("b@x.org")
        );
        assert_eq!(
            told(json!([entry("a@x.org", true, false)])),
            (Some("a@x.org".into()), false)
        );
        assert_eq!(told(json!([])), (None, false));
    }

    #[test]
    fn somebody_without_an_id_is_nobody() {
        let (user, _) = github();
        for person in [
            json!({}),
            json!({ "id": null }),
            json!({ "id": -1 }),
            json!({ "id": 1.5 }),
            json!([]),
        ] {
            assert!(person_told(&person, &user, None).is_none(), "{person}");
        }
    }

    #[test]
    fn only_a_clear_yes_verifies_an_address() {
        for (value, verified) in [
            (json!(true), true),
            (json!("true"), true),
            (json!(1), true),
            (json!("1"), true),
            (json!(false), false),
            (json!("false"), false),
            (json!("yes"), false),
            (json!(null), false),
            (json!([true]), false),
        ] {
            let claims = json!({ "email": "a@x.org", "email_verified": value });
            let claims = claims.as_object().expect("an object");
            assert_eq!(
                claims_told("1", claims, "email_verified").email_verified,
                verified,
                "{value}"
            );
        }
        assert!(!claims_told("1", &Map::new(), "email_verified").email_verified);
    }

    proptest! {
        #[test]
        fn any_answer_is_read_without_a_panic(text in "[\\[\\]{}\",:a-z0-9 ]{0,40}") {
            let (user, emails) = github();
            if let Ok(value) = serde_json::from_str::<Value>(&text) {
                let list = value.as_array().cloned().unwrap_or_default();
                let _ = person_told(&value, &user, Some((&emails, list)));
            }
        }
    }
}
