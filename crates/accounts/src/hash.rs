//! Password hashes: argon2id (RFC 9106) as PHC strings, in memory that is reused. Hashes of other programs are read
//! in `stored`, compared, and made anew as ours at the first sign-in.

mod stored;

use std::sync::LazyLock;

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::phc::{Ident, Output, ParamsString, PasswordHash, Salt},
};
use secret::{Secret, SecretString};
use subtle::ConstantTimeEq;

use crate::{Password, password};

pub use argon2::Block;
pub use stored::Scheme;

/// What a hash costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashParameters {
    /// Memory in KiB, at least 8 for each lane.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Default for HashParameters {
    /// 19 MiB, two passes, one lane: what OWASP recommends at least.
    fn default() -> Self {
        Self {
            memory_kib: 19_456,
            passes: 2,
            lanes: 1,
        }
    }
}

/// Why a hash could not be made or compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// The parameters contradict each other.
    #[error(
        "these argon2id parameters are out of range; memory must be at least 8 KiB for each lane"
    )]
    Parameters,
    /// A stored hash is none that is known here.
    #[error("a stored password hash is damaged or of an unknown kind")]
    Damaged,
    /// Comparing with a stored hash would take too long or too much memory.
    #[error("a stored password hash asks for more time or memory than is given here")]
    TooCostly,
}

/// What became of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it was the account's password.
    pub matches: bool,
    /// Whether a matching password should be hashed again, under the parameters of today.
    pub outdated: bool,
}

const OUTPUT_BYTES: usize = 32;
/// The salt of the comparison that is made when there is no account.
const DUMMY_SALT: [u8; 16] = *b"nobody's account";

/// Hashes a new password with a random `salt`, in `memory`, which grows as needed.
pub fn hash(
    password: &Password,
    salt: [u8; 16],
    parameters: HashParameters,
    memory: &mut Vec<Block>,
) -> Result<SecretString, HashError> {
    make(password.expose().expose(), salt, parameters, memory)
}

/// Hashes a password that has just matched, under the parameters of today. It is not held to the rules for new ones:
/// it has been somebody's password all along.
pub fn rehash(
    matching: &SecretString,
    salt: [u8; 16],
    parameters: HashParameters,
    memory: &mut Vec<Block>,
) -> Result<SecretString, HashError> {
    make(matching.expose(), salt, parameters, memory)
}

/// Tells how a stored hash was made, if passwords can be compared with it here. Nothing is computed.
pub fn scheme(stored: &SecretString, today: HashParameters) -> Result<Scheme, HashError> {
    Ok(stored::read(stored.expose(), today)?.scheme())
}

fn make(
    plain: &str,
    salt: [u8; 16],
    parameters: HashParameters,
    memory: &mut Vec<Block>,
) -> Result<SecretString, HashError> {
    let params = parameters.params()?;
    let output = compute(plain, &salt, &params, memory)?;
    let text = PasswordHash {
        algorithm: *ARGON2ID,
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(&params).map_err(|_| HashError::Parameters)?,
        salt: Some(Salt::new(&salt).map_err(|_| HashError::Parameters)?),
        hash: Some(Output::new(&output).map_err(|_| HashError::Parameters)?),
    };
    Ok(Secret::new(text.to_string()))
}

/// Compares a presented password with a stored hash. Without one (no such account, or no password yet) the same work
/// is done and nothing matches, so that the time tells nothing.
pub fn verify(
    presented: &SecretString,
    stored: Option<&SecretString>,
    today: HashParameters,
    memory: &mut Vec<Block>,
) -> Result<Verdict, HashError> {
    // An endless text is somebody's attack on our time; it is compared as the empty one, which is nobody's password.
    let plain = presented.expose().as_str();
    let is_plausible = password::is_plausible(plain);
    let plain = if is_plausible { plain } else { "" };
    let params = today.params()?;
    let Some(stored) = stored else {
        compute(plain, &DUMMY_SALT, &params, memory)?;
        return Ok(Verdict {
            matches: false,
            outdated: false,
        });
    };
    let stored = stored::read(stored.expose(), today)?;
    let output = stored.compute(plain, memory)?;
    if memory.len() > params.block_count() {
        // A hash from elsewhere may have taken more than ours do; threads do not keep that.
        memory.truncate(params.block_count());
        memory.shrink_to_fit();
    }
    Ok(Verdict {
        matches: is_plausible && bool::from(output.ct_eq(stored.expected())),
        outdated: !stored.is_of_today(&params),
    })
}

static ARGON2ID: LazyLock<Ident> =
    LazyLock::new(|| Ident::new("argon2id").expect("a valid PHC identifier"));

impl HashParameters {
    fn params(self) -> Result<Params, HashError> {
        Params::new(self.memory_kib, self.passes, self.lanes, Some(OUTPUT_BYTES))
            .map_err(|_| HashError::Parameters)
    }
}

fn compute(
    plain: &str,
    salt: &[u8],
    params: &Params,
    memory: &mut Vec<Block>,
) -> Result<[u8; OUTPUT_BYTES], HashError> {
    if memory.len() < params.block_count() {
        memory.resize(params.block_count(), Block::default());
    }
    let mut output = [0; OUTPUT_BYTES];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone())
        .hash_password_into_with_memory(plain.as_bytes(), salt, &mut output, memory.as_mut_slice())
        .map_err(|_| HashError::Parameters)?;
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: HashParameters = HashParameters {
        memory_kib: 64,
        passes: 1,
        lanes: 1,
    };

    fn secret(text: &str) -> SecretString {
        Secret::new(text.to_owned())
    }

    fn hashed(text: &str, parameters: HashParameters) -> SecretString {
        let password = Password::parse(secret(text), &[]).expect("a good password");
        hash(&password, [7; 16], parameters, &mut Vec::new()).expect("good parameters")
    }

    #[test]
    fn the_right_password_matches_and_a_wrong_one_does_not() {
        let stored = hashed("correct horse", CHEAP);
        let mut memory = Vec::new();
        let mut check = |text| verify(&secret(text), Some(&stored), CHEAP, &mut memory);
        assert_eq!(
            check("correct horse"),
            Ok(Verdict {
                matches: true,
                outdated: false
            })
        );
        assert_eq!(
            check("correct horsf"),
            Ok(Verdict {
                matches: false,
                outdated: false
            })
        );
        assert_eq!(
            check(""),
            Ok(Verdict {
                matches: false,
                outdated: false
            })
        );
        assert_eq!(
            check(&"x".repeat(1 << 20)).map(|verdict| verdict.matches),
            Ok(false)
        );
    }

    #[test]
    fn memory_left_by_another_hash_changes_nothing() {
        let mut memory = Vec::new();
        let large = HashParameters {
            memory_kib: 256,
            ..CHEAP
        };
        let stored = [
            hashed("correct horse", CHEAP),
            hashed("battery staple", large),
        ];
        for _ in 0..2 {
            for (text, stored) in ["correct horse", "battery staple"].into_iter().zip(&stored) {
                let verdict = verify(&secret(text), Some(stored), CHEAP, &mut memory);
                assert!(verdict.expect("not damaged").matches);
            }
        }
    }

    #[test]
    fn a_hash_is_a_phc_string_that_others_can_read() {
        let stored = hashed("correct horse", CHEAP);
        assert!(
            stored.expose().starts_with("$argon2id$v=19$m=64,t=1,p=1$"),
            "{}",
            stored.expose()
        );
        let parsed = PasswordHash::new(stored.expose()).expect("a PHC string");
        let library = argon2::PasswordVerifier::verify_password(
            &Argon2::default(),
            b"correct horse",
            &parsed,
        );
        assert!(library.is_ok());
    }

    #[test]
    fn a_hash_under_other_parameters_is_outdated() {
        let stored = hashed("correct horse", CHEAP);
        let today = HashParameters { passes: 2, ..CHEAP };
        let verdict = verify(
            &secret("correct horse"),
            Some(&stored),
            today,
            &mut Vec::new(),
        );
        assert_eq!(
            verdict,
            Ok(Verdict {
                matches: true,
                outdated: true
            })
        );
    }

    #[test]
    fn nothing_matches_where_there_is_no_account() {
        let mut memory = Vec::new();
        let verdict = verify(&secret("correct horse"), None, CHEAP, &mut memory);
        assert_eq!(
            verdict,
            Ok(Verdict {
                matches: false,
                outdated: false
            })
        );
        assert_eq!(memory.len(), 64, "the same work was done");
    }

    #[test]
    fn damaged_hashes_and_senseless_parameters_are_told_apart() {
        for damaged in [
            "",
            "x",
            "$argon2i$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$aGFzaA",
            "$5$rounds=5000$salt$hash",
            "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ",
        ] {
            let verdict = verify(
                &secret("correct horse"),
                Some(&secret(damaged)),
                CHEAP,
                &mut Vec::new(),
            );
            assert_eq!(verdict, Err(HashError::Damaged), "{damaged}");
        }
        let senseless = HashParameters {
            memory_kib: 4,
            ..CHEAP
        };
        let verdict = verify(&secret("correct horse"), None, senseless, &mut Vec::new());
        assert_eq!(verdict, Err(HashError::Parameters));
    }
}
