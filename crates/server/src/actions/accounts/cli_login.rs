//! A command line's sign-in that is confirmed in a browser.
//!
//! Nothing is stored until the person decides. The page's address carries what the command line asked for under a MAC;
//! the session's token follows from the poll secret, so confirming writes the session and polling finds it, on any
//! server. A denial writes the session as ended. Either way the place is taken: there is one decision.

use accounts::{EndReason, Ended, SessionOrigin};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use secret::SecretString;
use storage::EventKind;
use token::{OpaqueKind, OpaqueToken};

use super::sessions::{NewSession, SignedIn};
use crate::{Change, Context, Error, extract::Caller, random};

/// How long a request waits for its decision, and a decision for its poll.
pub const LIFETIME: SignedDuration = SignedDuration::from_mins(10);

/// Longest device text in a request, in bytes.
const LONGEST_DEVICE: usize = 100;
/// No vowels and nothing that is mistaken for something else.
const CODE_ALPHABET: &[u8; 16] = b"BCDFGHJKLMNPQRST";

/// What the command line was given.
#[derive(Debug)]
pub struct Begun {
    /// The last part of the page's address.
    pub request: String,
    /// Shown on both sides for the person to compare.
    pub code: String,
    /// What to poll with.
    pub poll_secret: SecretString,
}

/// What the page shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// As in [`Begun::code`].
    pub code: String,
    /// What asks, in its own words.
    pub device: String,
    /// The request lapses here.
    pub expires_at: Timestamp,
}

/// How a request stands.
#[derive(Debug)]
pub enum Poll {
    /// Not decided yet.
    Waiting,
    /// Confirmed.
    Confirmed(Box<SignedIn>),
    /// Denied.
    Denied,
    /// Unknown, or not decided in time.
    Lapsed,
}

struct Request {
    id: [u8; 32],
    expires_at: Timestamp,
    device: String,
}

/// Begins a request.
pub fn begin(context: &Context, device: &str) -> Begun {
    let secret = OpaqueToken::generate(OpaqueKind::CliLogin, random::bytes());
    let id = secret.digest();
    let expires = (context.now() + LIFETIME).as_second();
    let mut device: String = device.chars().filter(|c| !c.is_control()).collect();
    device.truncate(device.floor_char_boundary(LONGEST_DEVICE));
    let mac = request_mac(context, &id, expires, device.as_bytes());
    let bytes = [&id[..], &expires.to_be_bytes(), &mac, device.as_bytes()].concat();
    let poll_secret = SecretString::new(format!("{}.{expires}", secret.reveal().expose()));
    Begun {
        request: URL_SAFE_NO_PAD.encode(bytes),
        code: code(context, &id),
        poll_secret,
    }
}

/// What is asked for by a page's address; refused when it was tampered with or has lapsed.
pub fn find(context: &Context, request: &str) -> Result<Asked, Error> {
    let request = read(context, request)?;
    Ok(Asked {
        code: code(context, &request.id),
        device: request.device,
        expires_at: request.expires_at,
    })
}

/// Signs the command line in as the caller.
pub async fn approve(context: &Context, caller: &Caller, request: &str) -> Result<(), Error> {
    let request = read(context, request)?;
    decide(context, caller, &request, None).await
}

/// Turns the command line away.
pub async fn deny(context: &Context, caller: &Caller, request: &str) -> Result<(), Error> {
    let request = read(context, request)?;
    let ended = Ended {
        at: context.now(),
        reason: EndReason::Revoked,
    };
    decide(context, caller, &request, Some(ended)).await
}

async fn decide(
    context: &Context,
    caller: &Caller,
    request: &Request,
    ended: Option<Ended>,
) -> Result<(), Error> {
    let token = session_token(context, &request.id);
    let mut new = NewSession::with_token(
        context,
        token,
        caller.account.id,
        caller.session.amr,
        SessionOrigin::Cli,
        &request.device,
    );
    // Confirming is no proof: the browser may have been signed in long ago.
    new.session.authenticated_at = caller.session.authenticated_at;
    new.session.ended = ended;
    context
        .change(move |change: &mut Change<'_>| {
            if change
                .sessions()
                .find_by_digest(new.token.digest())?
                .is_some()
            {
                return Err(Error::new(
                    http::StatusCode::CONFLICT,
                    "already_decided",
                    "This sign-in was confirmed or denied before; begin again on the command line.",
                ));
            }
            new.insert(change)?;
            if ended.is_some() {
                change.event(EventKind::SessionEnded, new.session.id)
            } else {
                Ok(())
            }
        })
        .await
}

/// Asks how a request stands. Until it lapses the answer to a confirmed one can be had again, since an answer may get
/// lost on its way.
pub async fn poll(context: &Context, poll_secret: &str) -> Result<Poll, Error> {
    let Some((secret, expires)) = poll_secret.split_once('.') else {
        return Ok(Poll::Lapsed);
    };
    let Ok(secret) = OpaqueToken::parse(OpaqueKind::CliLogin, secret) else {
        return Ok(Poll::Lapsed);
    };
    let token = session_token(context, &secret.digest());
    let (digest, now) = (token.digest(), context.now());
    let found = context.storage.read(move |tx| {
        let session = tx.sessions().find_by_digest(digest)?;
        let account = session
            .as_ref()
            .map(|session| tx.accounts().find(session.account))
            .transpose()?;
        Ok::<_, Error>(session.zip(account.flatten()))
    });
    Ok(match found.await? {
        Some((session, account)) if now < session.created_at + LIFETIME => {
            if session.ended.is_some() || !account.active {
                Poll::Denied
            } else {
                Poll::Confirmed(Box::new(
                    NewSession {
                        token: token.into(),
                        session,
                    }
                    .into_signed_in(account),
                ))
            }
        }
        None if expires
            .parse()
            .is_ok_and(|expires: i64| now.as_second() < expires) =>
        {
            Poll::Waiting
        }
        Some(_) | None => Poll::Lapsed,
    })
}

fn read(context: &Context, request: &str) -> Result<Request, Error> {
    let lapsed = || {
        Error::new(
            http::StatusCode::GONE,
            "lapsed",
            "This sign-in has lapsed; begin again on the command line.",
        )
    };
    let bytes = URL_SAFE_NO_PAD
        .decode(request)
        .map_err(|_| Error::not_found())?;
    let (id, rest) = bytes
        .split_first_chunk::<32>()
        .ok_or_else(Error::not_found)?;
    let (expires, rest) = rest.split_first_chunk::<8>().ok_or_else(Error::not_found)?;
    let (mac, device) = rest
        .split_first_chunk::<32>()
        .ok_or_else(Error::not_found)?;
    let parts: [&[u8]; 3] = [id, expires, device];
    if !context.master_key.mac_key("cli-login").verify(&parts, mac) {
        return Err(Error::not_found());
    }
    let expires_at =
        Timestamp::from_second(i64::from_be_bytes(*expires)).map_err(|_| Error::not_found())?;
    if context.now() >= expires_at {
        return Err(lapsed());
    }
    Ok(Request {
        id: *id,
        expires_at,
        device: String::from_utf8_lossy(device).into_owned(),
    })
}

fn request_mac(context: &Context, id: &[u8; 32], expires: i64, device: &[u8]) -> [u8; 32] {
    context
        .master_key
        .mac_key("cli-login")
        .sign(&[id, &expires.to_be_bytes(), device])
}

fn session_token(context: &Context, id: &[u8; 32]) -> OpaqueToken {
    let random = context.master_key.mac_key("cli-login-session").sign(&[id]);
    OpaqueToken::generate(OpaqueKind::Session, random)
}

fn code(context: &Context, id: &[u8; 32]) -> String {
    let mac = context.master_key.mac_key("cli-login-code").sign(&[id]);
    let mut code: String = mac[..8]
        .iter()
        .map(|byte| char::from(CODE_ALPHABET[usize::from(byte % 16)]))
        .collect();
    code.insert(4, '-');
    code
}
