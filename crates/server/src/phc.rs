//! Password hashes as text: argon2id (RFC 9106) in the PHC string format.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use secret::SecretString;
use subtle::ConstantTimeEq as _;

use crate::config;

const HASH_BYTES: usize = 32;

/// What one hash costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cost {
    /// Memory in KiB.
    memory: u32,
    /// Passes over it.
    passes: u32,
    /// Lanes.
    lanes: u32,
}

impl Cost {
    /// The configured cost; memory is raised to the least that the lanes need.
    pub(crate) fn of(settings: &config::Accounts) -> Self {
        let number = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let lanes = number(settings.argon2_lanes.get());
        let memory = number(settings.argon2_memory_kib.get()).max(8 * lanes);
        Self {
            memory,
            passes: number(settings.argon2_passes.get()),
            lanes,
        }
    }
}

/// Hashes a password. The memory may hold anything; it is grown when too small.
pub(crate) fn hash(
    password: &SecretString,
    salt: &[u8],
    cost: Cost,
    memory: &mut Vec<Block>,
) -> SecretString {
    let hash = raw(password, salt, cost, memory).expect("a checked cost and our own salt are fit");
    SecretString::new(format!(
        "$argon2id$v=19$m={},t={},p={}${}${}",
        cost.memory,
        cost.passes,
        cost.lanes,
        STANDARD_NO_PAD.encode(salt),
        STANDARD_NO_PAD.encode(hash)
    ))
}

/// Whether a password is the one that was hashed. An unreadable hash matches nothing.
pub(crate) fn verify(
    password: &SecretString,
    stored: &SecretString,
    memory: &mut Vec<Block>,
) -> bool {
    let Some((cost, salt, expected)) = parse(stored.expose()) else {
        return false;
    };
    raw(password, &salt, cost, memory).is_some_and(|hash| hash.as_slice().ct_eq(&expected).into())
}

/// Whether a hash was made at this cost.
pub(crate) fn is_of_cost(stored: &SecretString, cost: Cost) -> bool {
    parse(stored.expose()).is_some_and(|(found, ..)| found == cost)
}

fn raw(
    password: &SecretString,
    salt: &[u8],
    cost: Cost,
    memory: &mut Vec<Block>,
) -> Option<[u8; HASH_BYTES]> {
    let params = Params::new(cost.memory, cost.passes, cost.lanes, Some(HASH_BYTES)).ok()?;
    if memory.len() < params.block_count() {
        memory.resize(params.block_count(), Block::default());
    }
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut hash = [0; HASH_BYTES];
    let blocks = memory.get_mut(..argon2.params().block_count())?;
    argon2
        .hash_password_into_with_memory(password.expose().as_bytes(), salt, &mut hash, blocks)
        .ok()?;
    Some(hash)
}

fn parse(text: &str) -> Option<(Cost, Vec<u8>, Vec<u8>)> {
    let mut parts = text.split('$');
    let ("", "argon2id", "v=19") = (parts.next()?, parts.next()?, parts.next()?) else {
        return None;
    };
    let mut numbers = parts.next()?.split(',');
    let mut number = |name: &str| numbers.next()?.strip_prefix(name)?.parse::<u32>().ok();
    let cost = Cost {
        memory: number("m=")?,
        passes: number("t=")?,
        lanes: number("p=")?,
    };
    let salt = STANDARD_NO_PAD.decode(parts.next()?).ok()?;
    let hash = STANDARD_NO_PAD.decode(parts.next()?).ok()?;
    parts.next().is_none().then_some((cost, salt, hash))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CHEAP: Cost = Cost {
        memory: 8,
        passes: 1,
        lanes: 1,
    };

    fn secret(text: &str) -> SecretString {
        SecretString::new(text.to_owned())
    }

    #[test]
    fn a_hash_matches_its_password_only_whatever_the_memory_held() {
        let mut memory = Vec::new();
        let stored = hash(&secret("right"), &[7; 16], CHEAP, &mut memory);
        let larger = hash(
            &secret("right"),
            &[7; 16],
            Cost {
                memory: 64,
                ..CHEAP
            },
            &mut memory,
        );
        assert!(verify(&secret("right"), &stored, &mut memory));
        assert!(verify(&secret("right"), &larger, &mut memory));
        assert!(!verify(&secret("wrong"), &stored, &mut memory));
        assert!(is_of_cost(&stored, CHEAP) && !is_of_cost(&larger, CHEAP));
    }

    #[test]
    fn a_hash_of_another_program_is_understood() {
        // From the argon2 reference implementation: echo -n password | argon2 somesalt -t 2 -m 16 -p 1 -id
        let stored = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        assert!(verify(
            &secret("password"),
            &secret(stored),
            &mut Vec::new()
        ));
    }

    proptest! {
        #[test]
        fn unreadable_hashes_match_nothing(text in "[$a-z0-9=,]{0,60}") {
            prop_assert!(!verify(&secret("x"), &secret(&text), &mut Vec::new()));
        }
    }
}
