//! What follows when somebody comes back from a provider.

use accounts::{
    Account, Identity, OutsideProfile, PresentedInvite, Role, SessionOrigin, SignUpPolicy,
    SocialDecision, SocialRefusal, decide_social,
};
use ids::AccountId;
use jiff::{SignedDuration, Timestamp};
use secret::SecretString;
use serde::{Deserialize, Serialize};
use storage::{EventKind, Link};
use token::{OpaqueKind, OpaqueToken};

use super::{
    Browser, Journey, OutsideRefusal, Return,
    trip::{Recognized, recognize},
};
use crate::{
    Change, Context, Error,
    actions::accounts::{
        Finished, FirstFactor,
        finish::{Outcome, Step},
        invitations,
    },
    config::SignUp,
    extract::Caller,
    outside::{Back, Given},
    random,
};

/// How long an identity waits to be joined to an account.
pub(super) const WAITING: SignedDuration = SignedDuration::from_mins(15);
/// The name of what waits, among the one-time links.
pub(super) const WAITING_PURPOSE: &str = "outside.join";

/// What came of it.
#[derive(Debug)]
pub enum CameBack {
    /// The first factor is done.
    Finished {
        /// Where the person wanted to go.
        next: String,
        /// How far the sign-in has come.
        finished: Finished,
    },
    /// The identity waits to be joined to an account that is there, by whoever signs in to it.
    Joining(Joining),
}

/// An identity that waits to be joined.
#[derive(Debug)]
pub struct Joining {
    /// What it is joined with; kept in a cookie.
    pub token: SecretString,
    /// It waits until then.
    pub expires_at: Timestamp,
}

/// What is kept of an identity that waits.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Waits {
    pub(super) provider: String,
    pub(super) subject: String,
    pub(super) email: String,
}

/// Takes somebody back who went to a provider from the pages.
pub async fn come_back(
    context: &Context,
    provider: &str,
    back: &Return,
    browser: Option<&Browser>,
    caller: Option<&Caller>,
    device: &str,
) -> Result<CameBack, OutsideRefusal> {
    let recognized = recognize(context, provider, &back.state, browser).await?;
    if !recognized.same_browser {
        return Err(OutsideRefusal::OtherBrowser);
    }
    match recognized.journey.clone() {
        Journey::SignIn { next } => {
            let (profile, _) = learn(context, provider, &recognized, back).await?;
            match arrive(context, provider, profile, device).await? {
                Arrived::Finished(finished) => Ok(CameBack::Finished { next, finished }),
                Arrived::Joining(joining) => Ok(CameBack::Joining(joining)),
            }
        }
        Journey::Join { account, session } => {
            let is_asker =
                |caller: &Caller| caller.session.id == session && caller.account.id == account;
            if !caller.is_some_and(is_asker) {
                return Err(OutsideRefusal::OtherBrowser);
            }
            let (profile, _) = learn(context, provider, &recognized, back).await?;
            prepare_joining(context, provider, profile, account)
                .await
                .map(CameBack::Joining)
        }
        // Programs have a way back of their own.
        Journey::Program { .. } => Err(OutsideRefusal::UnknownState),
    }
}

/// Learns from the provider who came back.
pub(super) async fn learn(
    context: &Context,
    provider: &str,
    recognized: &Recognized,
    back: &Return,
) -> Result<(OutsideProfile, Given), OutsideRefusal> {
    let known = context
        .outside
        .find(provider)
        .ok_or(OutsideRefusal::NotConfigured)?;
    if let Some(error) = &back.error {
        let error: String = error
            .chars()
            .filter(|character| !character.is_control())
            .take(60)
            .collect();
        tracing::info!(
            provider,
            error,
            "a provider of identities sent somebody back without a code"
        );
        return Err(OutsideRefusal::Declined(error));
    }
    let code = back
        .code
        .as_deref()
        .filter(|code| !code.is_empty())
        .ok_or_else(|| OutsideRefusal::Declined("no_code".to_owned()))?;
    let back = Back {
        code,
        issuer: back.iss.as_deref(),
    };
    let not_believed = |error| OutsideRefusal::provider(known.label(), &error);
    let mut given = context
        .outside
        .exchange(&known, &recognized.trip, back, context.now())
        .await
        .map_err(not_believed)?;
    let profile = OutsideProfile::read(std::mem::take(&mut given.told)).map_err(|error| {
        tracing::warn!(provider, %error, "a provider of identities names nobody");
        OutsideRefusal::Provider {
            label: known.label().to_owned(),
            outage: false,
        }
    })?;
    Ok((profile, given))
}

/// What became of somebody whom a provider has told of.
pub(super) enum Arrived {
    Finished(Finished),
    Joining(Joining),
}

enum Saved {
    SignedIn(Box<Account>, Outcome),
    Joining(Joining),
    Refused(SocialRefusal),
}

/// Signs somebody in, makes their account, or lets their identity wait.
pub(super) async fn arrive(
    context: &Context,
    provider: &str,
    profile: OutsideProfile,
    device: &str,
) -> Result<Arrived, OutsideRefusal> {
    let step = Step::prepare(context, FirstFactor::Social, device, SessionOrigin::Social)?;
    let arrival = Arrival::prepare(context, provider, profile);
    let saved = context
        .change(move |change| arrival.save(change, &step))
        .await?;
    match saved {
        Saved::SignedIn(account, outcome) => Ok(Arrived::Finished(outcome.into_finished(*account))),
        Saved::Joining(joining) => Ok(Arrived::Joining(joining)),
        Saved::Refused(refusal) => Err(OutsideRefusal::Account(refusal)),
    }
}

/// What is needed to save an arrival, gathered before the transaction, which may run several times.
struct Arrival {
    provider: String,
    profile: OutsideProfile,
    policy: SignUpPolicy,
    id: AccountId,
    usernames: Vec<String>,
    link: [u8; 32],
    now: Timestamp,
}

impl Arrival {
    fn prepare(context: &Context, provider: &str, profile: OutsideProfile) -> Self {
        let now = context.now();
        let (milliseconds, bytes) = random::id_parts(now);
        let usernames = profile.usernames(random::bytes());
        Self {
            provider: provider.to_owned(),
            policy: policy(context),
            id: AccountId::new(milliseconds, bytes),
            usernames: usernames.map(|name| name.as_str().to_owned()).collect(),
            link: random::bytes(),
            profile,
            now,
        }
    }

    fn save(&self, change: &mut Change<'_>, step: &Step) -> Result<Saved, Error> {
        let (provider, subject) = (self.provider.as_str(), self.profile.subject.as_str());
        let email = self
            .profile
            .email
            .as_ref()
            .map(|email| email.as_str().to_owned());
        let owner = match change.identities().find(provider, subject)? {
            Some(identity) => change.accounts().find(identity.account)?,
            None => None,
        };
        let (mut holder, mut invite) = (None, PresentedInvite::None);
        if let Some(email) = &email {
            holder = change.accounts().find_by_email(email)?;
            // The provider has verified the address, which proves more than the link that was sent to it.
            if !change
                .invites()
                .find_open_by_email(email, self.now)?
                .is_empty()
            {
                invite = PresentedInvite::ThisAddress;
            }
        }
        let decided = decide_social(
            &self.profile,
            owner.as_ref(),
            holder.as_ref(),
            self.policy.decide(invite),
        );
        let account = match decided {
            SocialDecision::Refused(refusal) => return Ok(Saved::Refused(refusal)),
            SocialDecision::Link(account) => {
                let joining = wait(
                    change,
                    self.link,
                    provider,
                    &self.profile,
                    account,
                    self.now,
                )?;
                return Ok(Saved::Joining(joining));
            }
            SocialDecision::SignIn(_) => {
                change
                    .identities()
                    .touch(provider, subject, email.as_deref(), self.now)?;
                owner.expect("only an owner signs in")
            }
            SocialDecision::SignUp(email) => {
                let account = self.new_account(change, email.as_str())?;
                change.accounts().insert(&account)?;
                change.event(EventKind::AccountCreated, account.id)?;
                insert_identity(
                    change,
                    Waits {
                        provider: provider.to_owned(),
                        subject: subject.to_owned(),
                        email: account.email.clone(),
                    },
                    account.id,
                    self.now,
                )?;
                invitations::take_up(change, &account)?;
                account
            }
        };
        let outcome = step.take(change, &account)?;
        Ok(Saved::SignedIn(Box::new(account), outcome))
    }

    fn new_account(&self, change: &mut Change<'_>, email: &str) -> Result<Account, Error> {
        let mut username = None;
        for name in &self.usernames {
            if change.accounts().find_by_username(name)?.is_none() {
                username = Some(name.clone());
                break;
            }
        }
        Ok(Account {
            id: self.id,
            email: email.to_owned(),
            username: username.ok_or_else(|| Error::taken("username"))?,
            full_name: self.profile.full_name.clone(),
            avatar: self.profile.avatar.clone(),
            provider: self.provider.clone(),
            role: Role::User,
            roles: Vec::new(),
            active: true,
            email_verified: true,
            generation: 1,
            password: None,
            created_at: self.now,
            updated_at: self.now,
        })
    }
}

/// Lets an identity that its owner asked for from their own account wait for their confirmation.
async fn prepare_joining(
    context: &Context,
    provider: &str,
    profile: OutsideProfile,
    account: AccountId,
) -> Result<Joining, OutsideRefusal> {
    if !profile.email_verified {
        let refusal = match profile.email {
            Some(_) => SocialRefusal::UnverifiedEmail,
            None => SocialRefusal::NoEmail,
        };
        return Err(OutsideRefusal::Account(refusal));
    }
    let (provider, link, now) = (provider.to_owned(), random::bytes(), context.now());
    let joining = context
        .change(move |change| {
            let found = change.identities().find(&provider, &profile.subject)?;
            if found.is_some_and(|identity| identity.account != account) {
                return Ok(None);
            }
            wait(change, link, &provider, &profile, account, now).map(Some)
        })
        .await?;
    joining.ok_or(OutsideRefusal::Taken)
}

fn wait(
    change: &mut Change<'_>,
    link: [u8; 32],
    provider: &str,
    profile: &OutsideProfile,
    account: AccountId,
    now: Timestamp,
) -> Result<Joining, Error> {
    let token = OpaqueToken::generate(OpaqueKind::Link, link);
    let waits = Waits {
        provider: provider.to_owned(),
        subject: profile.subject.clone(),
        email: profile
            .email
            .as_ref()
            .map(|email| email.as_str().to_owned())
            .unwrap_or_default(),
    };
    let expires_at = now + WAITING;
    change.links().insert(&Link {
        digest: token.digest(),
        purpose: WAITING_PURPOSE.to_owned(),
        account: Some(account),
        data: serde_json::to_string(&waits).expect("plain texts have a JSON form"),
        created_at: now,
        expires_at,
    })?;
    Ok(Joining {
        token: token.reveal(),
        expires_at,
    })
}

/// Joins an identity to an account, with its event.
pub(super) fn insert_identity(
    change: &mut Change<'_>,
    waits: Waits,
    account: AccountId,
    now: Timestamp,
) -> Result<(), Error> {
    let payload = serde_json::json!({ "provider": waits.provider });
    change.identities().insert(&Identity {
        provider: waits.provider,
        subject: waits.subject,
        account,
        email: Some(waits.email),
        created_at: now,
        last_used_at: now,
    })?;
    change.event_with(EventKind::IdentityLinked, account, &payload)
}

fn policy(context: &Context) -> SignUpPolicy {
    match context.config.accounts.sign_up {
        SignUp::Open => SignUpPolicy::Open,
        SignUp::InviteOnly => SignUpPolicy::InviteOnly,
        SignUp::Closed => SignUpPolicy::Closed,
    }
}
