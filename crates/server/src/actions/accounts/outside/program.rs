//! Signing in to somebody else's program by a provider: the person ends at the program's own address, with a code that
//! only the program can exchange for tokens.

use accounts::Account;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::{SignedDuration, Timestamp};
use secret::{Secret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use storage::Link;

use super::{
    Browser, Journey, OutsideRefusal, Return, TargetRefusal, begin,
    come_back::{Arrived, arrive, learn},
    target,
    trip::recognize,
};
use crate::{
    Context, Error,
    actions::accounts::{Finished, NewExternalTokens, TokenPair, tokens},
    config::TokenMode,
    outside::challenge,
    random,
};

/// How long a program has for the exchange.
const CODE_LIFETIME: SignedDuration = SignedDuration::from_secs(60);
/// The name of what is kept, among the one-time links.
const PURPOSE: &str = "outside.code";

/// Why a program cannot begin a sign-in.
#[derive(Debug)]
pub enum BeginRefusal {
    /// The address it wants the person back at.
    Target(TargetRefusal),
    /// Its challenge is no S256 challenge.
    Challenge,
    /// Something about the provider.
    Outside(OutsideRefusal),
}

/// Begins a sign-in for a program; the answer is the address that the browser goes to.
pub async fn begin_program(
    context: &Context,
    provider: &str,
    redirect_target: &str,
    code_challenge: &str,
    browser: &Browser,
) -> Result<String, BeginRefusal> {
    let is_known = context.outside.find(provider).is_some();
    // Without sessions there is nothing that the provider's tokens could be kept with.
    if !is_known || context.config.issuer.mode == TokenMode::Stateless {
        return Err(BeginRefusal::Outside(OutsideRefusal::NotConfigured));
    }
    let target = target::check(&context.config, redirect_target).map_err(BeginRefusal::Target)?;
    if !is_unreserved(code_challenge, false) {
        return Err(BeginRefusal::Challenge);
    }
    let journey = Journey::Program {
        target: target.into(),
        challenge: code_challenge.to_owned(),
    };
    begin(context, provider, journey, browser)
        .await
        .map_err(BeginRefusal::Outside)
}

/// Somebody who came back and goes on to the program.
#[derive(Debug)]
pub struct ToProgram {
    /// Where: the program's address, with the code in its fragment, which no server is sent.
    pub address: String,
    /// Tokens for cookies of this browser; only when it is the one that began.
    pub pair: Option<TokenPair>,
}

/// What is kept until the exchange.
#[derive(Serialize, Deserialize)]
struct Kept {
    provider: String,
    challenge: String,
    /// The program's origin, which may make the exchange from a page.
    origin: String,
    /// Sealed [`Pair`], in base64.
    sealed: String,
}

#[derive(Serialize, Deserialize)]
struct Pair {
    access: String,
    /// Left out once the browser has it.
    refresh: Option<String>,
    refresh_expires_at: Timestamp,
}

/// Takes somebody back whom a program sent to a provider.
pub async fn come_back_to_program(
    context: &Context,
    provider: &str,
    back: &Return,
    browser: Option<&Browser>,
    device: &str,
) -> Result<ToProgram, OutsideRefusal> {
    let recognized = recognize(context, provider, &back.state, browser).await?;
    let Journey::Program { target, challenge } = recognized.journey.clone() else {
        return Err(OutsideRefusal::UnknownState);
    };
    let (profile, given) = learn(context, provider, &recognized, back).await?;
    let signed_in = match arrive(context, provider, profile, device).await? {
        Arrived::Finished(Finished::SignedIn(signed_in)) => signed_in,
        // What more is needed is asked for on our pages, which a program's sign-in does not pass.
        Arrived::Finished(Finished::SecondFactor(_)) | Arrived::Joining(_) => {
            return Err(OutsideRefusal::OnlyAtThePages);
        }
    };
    let (account, session) = (&signed_in.account, &signed_in.session);
    let pair = tokens::pair_for_session(context, account, session).await?;
    let external = NewExternalTokens {
        access: given.access,
        refresh: given.refresh,
        expires_at: given.expires_at,
    };
    let external = external.seal(context, session.id, provider);
    // A browser that did not begin this gets no cookies: it may have been sent here to be signed in as somebody else.
    // The program's own challenge protects the code.
    let pair_for_browser = recognized.same_browser.then(|| pair.clone());
    let code = uuid::Builder::from_random_bytes(random::bytes())
        .into_uuid()
        .to_string();
    let digest = digest(&code);
    let kept = Pair {
        access: pair.access.expose().clone(),
        refresh: (!recognized.same_browser).then(|| pair.refresh.expose().clone()),
        refresh_expires_at: pair.refresh_expires_at,
    };
    let plain = serde_json::to_vec(&kept).expect("plain texts have a JSON form");
    let sealed =
        context
            .master_key
            .sealing_key(PURPOSE)
            .seal(&Secret::new(plain), &digest, random::bytes());
    let kept = Kept {
        provider: provider.to_owned(),
        challenge,
        origin: origin_of(&target),
        sealed: STANDARD.encode(sealed),
    };
    let now = context.now();
    let link = Link {
        digest,
        purpose: PURPOSE.to_owned(),
        account: Some(account.id),
        data: serde_json::to_string(&kept).expect("plain texts have a JSON form"),
        created_at: now,
        expires_at: now + CODE_LIFETIME,
    };
    context
        .change(move |change| {
            change.external_tokens().put(&external)?;
            Ok(change.links().insert(&link)?)
        })
        .await?;
    Ok(ToProgram {
        address: format!("{target}#auth_code={code}"),
        pair: pair_for_browser,
    })
}

/// What a program gets for its code.
#[derive(Debug)]
pub struct Exchanged {
    /// The access token.
    pub access: SecretString,
    /// When it expires.
    pub access_expires_at: Timestamp,
    /// The refresh token, unless the browser has it; and until when it is good.
    pub refresh: Option<(SecretString, Timestamp)>,
    /// Whose they are; without the password.
    pub account: Account,
}

/// Why a program's code is not exchanged.
#[derive(Debug)]
pub enum ExchangeRefusal {
    /// The verifier is none by its form.
    VerifierFormat,
    /// The code is unknown, used or too old.
    Code,
    /// The verifier is not that of the program that began.
    Pkce,
    /// The page that asks is not the program's.
    Origin,
    /// Something else.
    Other(Error),
}

impl From<Error> for ExchangeRefusal {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

/// Exchanges a code for tokens, once. A wrong verifier uses the code up too.
pub async fn exchange(
    context: &Context,
    provider: &str,
    code: &str,
    verifier: &str,
    origin: Option<&str>,
) -> Result<Exchanged, ExchangeRefusal> {
    if !is_unreserved(verifier, true) {
        return Err(ExchangeRefusal::VerifierFormat);
    }
    let (digest, now) = (digest(code), context.now());
    let found = context
        .change(move |change| {
            let link = change.links().redeem(digest, now)?;
            let link = link.filter(|link| link.purpose == PURPOSE);
            let account = match link.as_ref().and_then(|link| link.account) {
                Some(account) => change.accounts().find(account)?,
                None => None,
            };
            Ok(link.zip(account.filter(|account| account.active)))
        })
        .await?;
    let (link, account) = found.ok_or(ExchangeRefusal::Code)?;
    let kept: Kept = serde_json::from_str(&link.data).map_err(|_| ExchangeRefusal::Code)?;
    if kept.provider != provider {
        return Err(ExchangeRefusal::Code);
    }
    if challenge(verifier) != kept.challenge {
        return Err(ExchangeRefusal::Pkce);
    }
    let is_ours = |origin: &str| {
        origin == kept.origin
            || origin == context.config.shell_origin()
            || is_allowed_origin(context, origin)
    };
    if origin.is_some_and(|origin| !is_ours(origin)) {
        return Err(ExchangeRefusal::Origin);
    }
    let sealed = STANDARD
        .decode(&kept.sealed)
        .map_err(|_| ExchangeRefusal::Code)?;
    let plain = context
        .master_key
        .sealing_key(PURPOSE)
        .open(&sealed, &digest)
        .map_err(|error| Error::internal(&error))?;
    let pair: Pair = serde_json::from_slice(plain.expose()).map_err(|_| ExchangeRefusal::Code)?;
    let issued_at = link.created_at;
    Ok(Exchanged {
        access: SecretString::new(pair.access),
        access_expires_at: issued_at + context.config.issuer.access_token_lifetime.signed(),
        refresh: pair
            .refresh
            .map(|token| (SecretString::new(token), pair.refresh_expires_at)),
        account: Account {
            password: None,
            ..account
        },
    })
}

fn is_allowed_origin(context: &Context, origin: &str) -> bool {
    let allowed = &context.config.issuer.allowed_origins;
    http::HeaderValue::from_str(origin).is_ok_and(|origin| allowed.contains(&origin))
}

fn origin_of(target: &str) -> String {
    url::Url::parse(target)
        .map(|url| match url.origin() {
            // Schemes that browsers know no origin of say `scheme://host`.
            url::Origin::Opaque(_) => {
                format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default())
            }
            origin @ url::Origin::Tuple(..) => origin.ascii_serialization(),
        })
        .unwrap_or_default()
}

/// Whether a text has the form of a challenge or, with `.` and `~` too, of a verifier (RFC 7636 §4.1).
fn is_unreserved(text: &str, is_verifier: bool) -> bool {
    (43..=128).contains(&text.len())
        && text.bytes().all(|byte| {
            byte.is_ascii_alphanumeric()
                || b"-_".contains(&byte)
                || (is_verifier && b".~".contains(&byte))
        })
}

fn digest(code: &str) -> [u8; 32] {
    Sha256::digest(format!("{PURPOSE} {code}")).into()
}
