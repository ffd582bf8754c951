//! The keys that sign access tokens: planned, rotated, retired, imported, and looked after by the server.
//!
//! Each deed is one transaction that loads the keys, lets `token::rotation` decide and saves what it decided, so it is
//! done wholly or not at all, whoever does it: a server, several of them, or the command line beside them.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use storage::EventKind;
use token::{
    SigningKey,
    rotation::{KeyLife, KeyState, Refusal, Ring, Wanted},
};

use crate::{Change, Context, Error, signing::Made};

/// How often the server looks whether something is due.
const PAUSE: Duration = Duration::from_secs(5);

/// A key as it is told to operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its id, its algorithm and what it is used for.
    pub life: KeyLife,
    /// From when on it may sign; `None` unless it is next.
    pub may_sign_from: Option<Timestamp>,
    /// When it goes; `None` unless it is retired.
    pub gone_from: Option<Timestamp>,
}

/// Where an imported key is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// It is published now and may sign when every verifier has it.
    Next,
    /// It signs at once, for verifiers know it from elsewhere.
    Current,
}

/// The keys: the current one, the next one, then the retired ones.
pub async fn list(context: &Context) -> Result<Vec<Listed>, Error> {
    let records = context.storage.read(|tx| tx.keys().list()).await?;
    let ring = Ring::new(records.into_iter().map(|record| record.life).collect());
    let keys = ring.keys().iter().cloned();
    Ok(keys.map(|life| listed(context, life)).collect())
}

/// Makes the next key and publishes it. With `switches_itself` the server rotates to it as soon as it may sign.
pub async fn plan(context: &Context, switches_itself: bool) -> Result<Listed, Error> {
    let algorithm = context.rotation_wish().algorithm;
    let made = Made::new(context, algorithm).await?;
    let life = change(context, Some(made), move |ring, made, _| {
        let life = KeyLife {
            switches_itself,
            ..made.ok_or(Refusal::NothingPlanned)?
        };
        ring.plan(life.clone())?;
        Ok(life)
    })
    .await?;
    Ok(listed(context, life))
}

/// Makes the next key sign, and retires the current one.
pub async fn rotate(context: &Context) -> Result<Listed, Error> {
    let rules = context.rotation_rules();
    let life = change(context, None, move |ring, _, now| {
        let kid = ring.rotate(rules, now)?;
        known(ring, &kid)
    })
    .await?;
    Ok(listed(context, life))
}

/// Takes out a key that nobody needs any more: a planned one, or a retired one without tokens.
pub async fn retire(context: &Context, kid: &str) -> Result<(), Error> {
    let (rules, kid) = (context.rotation_rules(), kid.to_owned());
    change(context, None, move |ring, _, now| {
        ring.retire(&kid, rules, now)
    })
    .await
}

/// Takes out a leaked key at once, whatever it is used for; the current one when `kid` is `None`. Gives the key that
/// signs now.
///
/// When the key has signed, all access tokens end, since it is on record nowhere which key signed which: services that
/// ask whether a token is still good hear that it is not, even while they keep a copy of the key set. Nobody is signed
/// out; the next refresh brings a token of the new key.
pub async fn revoke(context: &Context, kid: Option<&str>) -> Result<Listed, Error> {
    let algorithm = context.rotation_wish().algorithm;
    let spare = Made::new(context, algorithm).await?;
    let (kid, now) = (kid.map(str::to_owned), context.now());
    let life = context
        .change(move |change| {
            let (life, has_signed) = decide_on(change, Some(&spare), |ring, spare| {
                let current = ring.current().ok_or(Refusal::NothingPlanned)?.kid.clone();
                let leaked = known(ring, kid.as_deref().unwrap_or(&current))?;
                ring.revoke(&leaked.kid, spare, now)?;
                let current = ring.current().ok_or(Refusal::NothingPlanned)?;
                Ok((current.clone(), leaked.current_at.is_some()))
            })?;
            if has_signed {
                change.accounts().raise_generations()?;
            }
            Ok(life)
        })
        .await?;
    Ok(listed(context, life))
}

/// Takes over a private key from PEM text: RSA of 2048 bits and more, or EC on P-256, as the settings ask for.
pub async fn import(context: &Context, pem: &str, place: Place) -> Result<Listed, Error> {
    let key = SigningKey::from_pem(pem)?;
    let wanted = context.rotation_wish().algorithm;
    if key.algorithm() != wanted {
        let text = format!(
            "This is a key for {}, but the setting issuer.algorithm is {wanted}; change that first.",
            key.algorithm()
        );
        return Err(Error::bad_request("other_algorithm", text));
    }
    let made = Made::seal(context, &key)?;
    let life = change(context, Some(made), move |ring, made, now| {
        let life = made.ok_or(Refusal::NothingPlanned)?;
        match place {
            Place::Next => ring.plan(life.clone())?,
            Place::Current => ring.adopt(life.clone(), now)?,
        }
        known(ring, &life.kid)
    })
    .await?;
    Ok(listed(context, life))
}

/// Does what is due: lets keys go whose tokens have ended, switches to a planned key that switches itself, plans one
/// when the settings ask for another algorithm or for regular rotation.
pub async fn tend(context: &Context) -> Result<(), Error> {
    let (rules, wish) = (context.rotation_rules(), context.rotation_wish());
    let now = context.now();
    let records = context.storage.read(|tx| tx.keys().list()).await?;
    let ring = Ring::new(records.into_iter().map(|record| record.life).collect());
    let mut tended = ring.clone();
    let made = match tended.tend(rules, &wish, now) {
        // The first key is made when it is needed.
        Wanted::Current => return Ok(()),
        Wanted::Next => Some(Made::new(context, wish.algorithm).await?),
        Wanted::Nothing if tended == ring => return Ok(()),
        Wanted::Nothing => None,
    };
    change(context, made, move |ring, made, now| {
        // Decided anew: another server may have done it meanwhile.
        if let (Wanted::Next, Some(made)) = (ring.tend(rules, &wish, now), made) {
            ring.plan(KeyLife {
                switches_itself: true,
                ..made
            })?;
        }
        Ok(())
    })
    .await
}

/// Looks after the keys for as long as the server runs.
pub(crate) async fn keep_tended(context: Context) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = context.stopping.cancelled() => return,
        }
        if let Err(error) = tend(&context).await {
            tracing::warn!(
                error = error.code,
                "the signing keys could not be looked after"
            );
        }
    }
}

/// Makes the first key. When two servers do so at once, the first one's is kept.
pub(crate) async fn make_first(context: &Context) -> Result<(), Error> {
    let algorithm = context.rotation_wish().algorithm;
    let made = Made::new(context, algorithm).await?;
    change(context, Some(made), |ring, made, now| {
        match (ring.current(), made) {
            (None, Some(made)) => ring.adopt(made, now),
            _ => Ok(()),
        }
    })
    .await
}

/// Notes how long the tokens live that are signed from now on.
pub(crate) async fn note_token_life(context: &Context, life: Duration) -> Result<(), Error> {
    change(context, None, move |ring, _, _| {
        if let Some(kid) = ring.current().map(|key| key.kid.clone()) {
            ring.note_token_life(&kid, life);
        }
        Ok(())
    })
    .await
}

/// Loads the keys, lets `decide` change what they are used for, and saves that. `made` is a key that may be added.
async fn change<T, F>(context: &Context, made: Option<Made>, decide: F) -> Result<T, Error>
where
    T: Send + 'static,
    F: Fn(&mut Ring, Option<KeyLife>, Timestamp) -> Result<T, Refusal> + Send + 'static,
{
    let now = context.now();
    context
        .change(move |change| {
            decide_on(change, made.as_ref(), |ring, made| decide(ring, made, now))
        })
        .await
}

/// The same within a transaction.
fn decide_on<T>(
    change: &mut Change<'_>,
    made: Option<&Made>,
    decide: impl FnOnce(&mut Ring, Option<KeyLife>) -> Result<T, Refusal>,
) -> Result<T, Error> {
    let records = change.keys().list()?;
    let before = Ring::new(records.into_iter().map(|record| record.life).collect());
    let mut after = before.clone();
    let value = decide(&mut after, made.map(Made::life))?;
    save(change, &before, &after, made)?;
    Ok(value)
}

fn save(
    change: &mut Change<'_>,
    before: &Ring,
    after: &Ring,
    made: Option<&Made>,
) -> Result<(), Error> {
    for old in before.keys() {
        match after.find(&old.kid) {
            None => {
                change.keys().delete(&old.kid)?;
                tell(change, &old.kid, "gone")?;
            }
            Some(new) if new != old => {
                change.keys().update(new)?;
                if new.state != old.state {
                    tell(change, &old.kid, new.state.as_str())?;
                }
            }
            Some(_) => {}
        }
    }
    for new in after.keys() {
        if before.find(&new.kid).is_none()
            && let Some(Made(record)) = made
        {
            change.keys().insert(&storage::SigningKey {
                life: new.clone(),
                ..record.clone()
            })?;
            tell(change, &new.kid, new.state.as_str())?;
        }
    }
    Ok(())
}

fn tell(change: &mut Change<'_>, kid: &str, state: &str) -> Result<(), Error> {
    tracing::info!(
        key.id = kid,
        key.state = state,
        "the signing key {kid} is {state}"
    );
    change.event_with(EventKind::KeyRotated, kid, &json!({ "state": state }))
}

fn known(ring: &Ring, kid: &str) -> Result<KeyLife, Refusal> {
    ring.find(kid).cloned().ok_or_else(|| Refusal::Unknown {
        kid: kid.to_owned(),
    })
}

fn listed(context: &Context, life: KeyLife) -> Listed {
    let rules = context.rotation_rules();
    Listed {
        may_sign_from: (life.state == KeyState::Next).then(|| rules.may_sign_from(&life)),
        gone_from: rules.gone_from(&life),
        life,
    }
}
