//! What refusals around outside providers of identities are answered with.

use std::borrow::Cow;

use accounts::{LinkRefusal, SignUpDecision, SocialRefusal};
use http::StatusCode as Status;

use super::Error;
use crate::actions::accounts::{RECENT_PROOF_REQUIRED, outside::OutsideRefusal};

/// What a page says of a refusal.
impl From<OutsideRefusal> for Error {
    fn from(refusal: OutsideRefusal) -> Self {
        let (status, code, message): (_, _, Cow<'static, str>) = match refusal {
            OutsideRefusal::Other(error) => return error,
            OutsideRefusal::NotConfigured => return Self::not_found(),
            OutsideRefusal::UnknownState => (
                Status::BAD_REQUEST,
                "unknown_state",
                "This sign-in was finished before, or took too long. Begin it again.".into(),
            ),
            OutsideRefusal::OtherBrowser => (
                Status::BAD_REQUEST,
                "other_browser",
                "This sign-in was begun in another browser, or by somebody else. Begin it again here.".into(),
            ),
            OutsideRefusal::Declined(reason) => {
                let message = match reason.as_str() {
                    "access_denied" => "You were not signed in: it was declined there. Nothing has changed here.".into(),
                    "login_required" | "consent_required" | "interaction_required" => {
                        "You were not signed in: more was needed there. Begin it again.".into()
                    }
                    _ => "You were not signed in: it did not work there. Try again, or use another way.".into(),
                };
                (Status::BAD_REQUEST, "declined", message)
            }
            OutsideRefusal::Provider { label, outage: true } => (
                Status::SERVICE_UNAVAILABLE,
                "provider_down",
                format!("{label} does not answer at the moment. Try again soon, or sign in another way.").into(),
            ),
            OutsideRefusal::Provider { label, outage: false } => (
                Status::BAD_REQUEST,
                "provider_not_believed",
                format!("The answer of {label} did not fit this sign-in, so it was not taken. Begin it again.").into(),
            ),
            OutsideRefusal::OnlyAtThePages => (
                Status::FORBIDDEN,
                "only_at_the_pages",
                "Sign in at this server's own page; more is needed than can be asked for here.".into(),
            ),
            OutsideRefusal::Taken => (
                Status::CONFLICT,
                "identity_taken",
                "That identity belongs to another account here.".into(),
            ),
            OutsideRefusal::Account(refusal) => (
                Status::FORBIDDEN,
                "outside_identity_refused",
                match refusal {
                    SocialRefusal::Inactive => "This account is disabled. Ask the person who runs this server.",
                    SocialRefusal::NoEmail => {
                        "An account needs an email address, and none that can be used here was told. Allow it there, or use another way."
                    }
                    SocialRefusal::UnverifiedEmail => {
                        "The email address there is not verified. Verify it there first, then begin again."
                    }
                    SocialRefusal::SignUp(SignUpDecision::Closed) => {
                        "There is no account for you here. The person who runs this server makes accounts; ask them for one."
                    }
                    SocialRefusal::SignUp(_) => {
                        "There is no account for you here. Accounts are made by invitation; ask the owner of the app for one to your address."
                    }
                }
                .into(),
            ),
        };
        Self::new(status, code, message)
    }
}

impl From<LinkRefusal> for Error {
    fn from(refusal: LinkRefusal) -> Self {
        match refusal {
            LinkRefusal::OtherAccount => Self::new(
                Status::FORBIDDEN,
                "other_account",
                "What waits to be connected is meant for another account. Sign in to that one.",
            ),
            LinkRefusal::StaleProof => Self::new(
                Status::FORBIDDEN,
                RECENT_PROOF_REQUIRED,
                "Confirm that it is you, then do this again.",
            ),
            LinkRefusal::Taken => Self::new(
                Status::CONFLICT,
                "identity_taken",
                "That identity belongs to another account here.",
            ),
        }
    }
}
