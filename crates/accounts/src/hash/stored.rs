//! Stored password hashes as they come: ours, and those of the programs that people move in from. Read into checked
//! parameters first, so that no hash text can make the server compute for minutes or take gigabytes.

use argon2::{Algorithm, Argon2, Block, Params, Version, password_hash::phc::PasswordHash};
use aws_lc_rs::{digest, pbkdf2};
use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use super::{HashError, HashParameters, OUTPUT_BYTES};

/// Longest hash text, in bytes; the longest that any of the known programs writes has some 200.
const LONGEST_TEXT: usize = 1024;
/// Longest and shortest result, in bytes: less than 16 is guessed, more than 64 no program makes.
const RESULT_BYTES: std::ops::RangeInclusive<usize> = 16..=64;
/// Most memory of an argon2 hash from elsewhere, in KiB.
const MOST_ARGON2_KIB: u32 = 262_144;
/// Most memory times passes of an argon2 hash from elsewhere, in KiB: about two seconds.
const MOST_ARGON2_WORK: u64 = 2_097_152;
/// Costs of bcrypt; 15 takes some two seconds.
const BCRYPT_COSTS: std::ops::RangeInclusive<u32> = 4..=15;
/// Most rounds of PBKDF2, over all blocks of the result: about two seconds.
const MOST_PBKDF2_ROUNDS: u64 = 5_000_000;
/// Most memory of an scrypt hash, in bytes.
const MOST_SCRYPT_BYTES: u64 = 128 * 1024 * 1024;
/// Most N·r·p of an scrypt hash: about two seconds.
const MOST_SCRYPT_WORK: u64 = 4_194_304;
/// bcrypt reads so many bytes of a password and no more.
const BCRYPT_BYTES: usize = 72;

/// How a stored password was hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// argon2id, argon2i or argon2d.
    Argon2,
    /// bcrypt, also over SHA-256.
    Bcrypt,
    /// PBKDF2 with SHA-1, SHA-256 or SHA-512.
    Pbkdf2,
    /// scrypt.
    Scrypt,
}

/// A stored hash, read and found affordable.
pub(super) enum Stored {
    Argon2 {
        algorithm: Algorithm,
        version: Version,
        params: Params,
        salt: Vec<u8>,
        expected: Vec<u8>,
    },
    Bcrypt {
        cost: u32,
        salt: [u8; 16],
        expected: Vec<u8>,
        /// The password is not hashed itself but the hexadecimal digits of its SHA-256, as Django does.
        over_sha256: bool,
    },
    Pbkdf2 {
        algorithm: pbkdf2::Algorithm,
        rounds: std::num::NonZeroU32,
        salt: Vec<u8>,
        expected: Vec<u8>,
    },
    Scrypt {
        params: scrypt::Params,
        salt: Vec<u8>,
        expected: Vec<u8>,
    },
}

/// Base64 as it is found: padded or not, with the last bits as they are.
const fn lenient(alphabet: &alphabet::Alphabet) -> GeneralPurpose {
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    GeneralPurpose::new(alphabet, config)
}

const STANDARD: GeneralPurpose = lenient(&alphabet::STANDARD);
const BCRYPT: GeneralPurpose = lenient(&alphabet::BCRYPT);

/// Reads a stored hash. `today` is what a hash of our own costs, which is never too much.
pub(super) fn read(text: &str, today: HashParameters) -> Result<Stored, HashError> {
    if text.len() > LONGEST_TEXT || !text.is_ascii() {
        return Err(HashError::Damaged);
    }
    // Django writes the name of the method before the hash of a library.
    let text = match text.split_once('$') {
        Some(("argon2", rest)) => return argon2(&format!("${rest}"), today),
        Some(("bcrypt", rest)) => return bcrypt(rest, false),
        Some(("bcrypt_sha256", rest)) => return bcrypt(rest, true),
        _ => text,
    };
    if text.starts_with("$argon2") {
        argon2(text, today)
    } else if text.starts_with("$2") {
        bcrypt(text, false)
    } else if text.starts_with("$scrypt$") || text.starts_with("scrypt") {
        scrypt(text)
    } else {
        pbkdf2(text)
    }
}

fn argon2(text: &str, today: HashParameters) -> Result<Stored, HashError> {
    let phc = PasswordHash::new(text).map_err(|_| HashError::Damaged)?;
    let (Some(salt), Some(expected)) = (&phc.salt, &phc.hash) else {
        return Err(HashError::Damaged);
    };
    let algorithm = Algorithm::new(phc.algorithm.as_str()).map_err(|_| HashError::Damaged)?;
    // Hashes from before version 1.3 name none (PHC string format).
    let version = Version::try_from(phc.version.unwrap_or(0x10)).map_err(|_| HashError::Damaged)?;
    let params = Params::try_from(&phc).map_err(|_| HashError::Damaged)?;
    let work = |memory: u32, passes: u32| u64::from(memory) * u64::from(passes);
    if params.m_cost() > MOST_ARGON2_KIB.max(today.memory_kib)
        || work(params.m_cost(), params.t_cost())
            > MOST_ARGON2_WORK.max(work(today.memory_kib, today.passes))
    {
        return Err(HashError::TooCostly);
    }
    Ok(Stored::Argon2 {
        algorithm,
        version,
        params,
        salt: salt.to_vec(),
        expected: result(expected.as_bytes().to_vec())?,
    })
}

/// `$2b$12$` and 53 characters: the salt and 23 bytes of the result.
fn bcrypt(text: &str, over_sha256: bool) -> Result<Stored, HashError> {
    let mut parts = text.split('$');
    let (Some(""), Some("2a" | "2b" | "2y"), Some(cost), Some(body), None) = (
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
    ) else {
        return Err(HashError::Damaged);
    };
    let cost = number(cost)?;
    let (salt, expected) = body.split_at_checked(22).ok_or(HashError::Damaged)?;
    let salt = BCRYPT.decode(salt).map_err(|_| HashError::Damaged)?;
    let expected = BCRYPT.decode(expected).map_err(|_| HashError::Damaged)?;
    if expected.len() != 23 || cost < *BCRYPT_COSTS.start() {
        return Err(HashError::Damaged);
    }
    if cost > *BCRYPT_COSTS.end() {
        return Err(HashError::TooCostly);
    }
    Ok(Stored::Bcrypt {
        cost,
        salt: salt.try_into().map_err(|_| HashError::Damaged)?,
        expected,
        over_sha256,
    })
}

/// Four forms: `$pbkdf2-sha256$i=600000,l=32$salt$hash` (PHC), `$pbkdf2-sha256$600000$salt$hash` (passlib, whose base64
/// has a dot for the plus), `pbkdf2_sha256$600000$salt$hash` (Django, the salt as text) and
/// `pbkdf2:sha256:600000$salt$hash` (Werkzeug, the salt as text and the hash in hexadecimal digits).
fn pbkdf2(text: &str) -> Result<Stored, HashError> {
    let parts: Vec<&str> = text.split('$').collect();
    let (method, rounds, salt, expected) = match *parts.as_slice() {
        ["", name, rounds, salt, hash] => {
            let method = name.strip_prefix("pbkdf2").ok_or(HashError::Damaged)?;
            let method = method.strip_prefix('-').unwrap_or("sha1");
            let rounds = parameter(rounds, "i").unwrap_or(rounds);
            (method, rounds, base64(salt)?, base64(hash)?)
        }
        [name, rounds, salt, hash] => {
            let method = name.strip_prefix("pbkdf2_").ok_or(HashError::Damaged)?;
            (method, rounds, salt.as_bytes().to_vec(), base64(hash)?)
        }
        [name, salt, hash] => {
            let mut words = name.split(':');
            let (Some("pbkdf2"), Some(method), Some(rounds), None) =
                (words.next(), words.next(), words.next(), words.next())
            else {
                return Err(HashError::Damaged);
            };
            let hash = hex::decode(hash).map_err(|_| HashError::Damaged)?;
            (method, rounds, salt.as_bytes().to_vec(), hash)
        }
        _ => return Err(HashError::Damaged),
    };
    let (algorithm, block) = match method {
        "sha1" => (pbkdf2::PBKDF2_HMAC_SHA1, 20),
        "sha256" => (pbkdf2::PBKDF2_HMAC_SHA256, 32),
        "sha512" => (pbkdf2::PBKDF2_HMAC_SHA512, 64),
        _ => return Err(HashError::Damaged),
    };
    let rounds: u32 = number(rounds)?;
    let expected = result(expected)?;
    if u64::from(rounds) * expected.len().div_ceil(block) as u64 > MOST_PBKDF2_ROUNDS {
        return Err(HashError::TooCostly);
    }
    Ok(Stored::Pbkdf2 {
        algorithm,
        rounds: rounds.try_into().map_err(|_| HashError::Damaged)?,
        salt,
        expected,
    })
}

/// Three forms: `$scrypt$ln=15,r=8,p=1$salt$hash` (PHC), `scrypt$16384$salt$8$5$hash` (Django, the salt as text) and
/// `scrypt:32768:8:1$salt$hash` (Werkzeug, the salt as text and the hash in hexadecimal digits).
fn scrypt(text: &str) -> Result<Stored, HashError> {
    let parts: Vec<&str> = text.split('$').collect();
    let (log_n, block, lanes, salt, expected) = match *parts.as_slice() {
        ["", "scrypt", parameters, salt, hash] => {
            let named = |name| parameter(parameters, name).ok_or(HashError::Damaged);
            let log_n: u32 = number(named("ln")?)?;
            (
                log_n,
                named("r")?,
                named("p")?,
                base64(salt)?,
                base64(hash)?,
            )
        }
        ["scrypt", n, salt, r, p, hash] => {
            (log2(n)?, r, p, salt.as_bytes().to_vec(), base64(hash)?)
        }
        [parameters, salt, hash] => {
            let words: Vec<&str> = parameters.split(':').collect();
            let &["scrypt", n, r, p] = words.as_slice() else {
                return Err(HashError::Damaged);
            };
            let hash = hex::decode(hash).map_err(|_| HashError::Damaged)?;
            (log2(n)?, r, p, salt.as_bytes().to_vec(), hash)
        }
        _ => return Err(HashError::Damaged),
    };
    let (block, lanes): (u32, u32) = (number(block)?, number(lanes)?);
    if log_n == 0 || block == 0 || lanes == 0 {
        return Err(HashError::Damaged);
    }
    let n = 1_u64.checked_shl(log_n).ok_or(HashError::TooCostly)?;
    let per_lane = n.saturating_mul(block.into());
    if per_lane.saturating_mul(128) > MOST_SCRYPT_BYTES
        || per_lane.saturating_mul(lanes.into()) > MOST_SCRYPT_WORK
    {
        return Err(HashError::TooCostly);
    }
    let log_n = u8::try_from(log_n).map_err(|_| HashError::TooCostly)?;
    Ok(Stored::Scrypt {
        params: scrypt::Params::new(log_n, block, lanes).map_err(|_| HashError::Damaged)?,
        salt,
        expected: result(expected)?,
    })
}

/// The value of `name=value` in a comma-separated list.
fn parameter<'t>(list: &'t str, name: &str) -> Option<&'t str> {
    let mut pairs = list.split(',').filter_map(|pair| pair.split_once('='));
    pairs.find_map(|(key, value)| (key == name).then_some(value))
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, HashError> {
    // `parse` takes a sign, which nobody writes.
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(HashError::Damaged);
    }
    text.parse().map_err(|_| HashError::TooCostly)
}

fn log2(n: &str) -> Result<u32, HashError> {
    let n: u64 = number(n)?;
    if n.is_power_of_two() {
        Ok(n.ilog2())
    } else {
        Err(HashError::Damaged)
    }
}

fn base64(text: &str) -> Result<Vec<u8>, HashError> {
    STANDARD
        .decode(text.replace('.', "+"))
        .map_err(|_| HashError::Damaged)
}

fn result(bytes: Vec<u8>) -> Result<Vec<u8>, HashError> {
    if RESULT_BYTES.contains(&bytes.len()) {
        Ok(bytes)
    } else {
        Err(HashError::Damaged)
    }
}

impl Stored {
    pub(super) const fn scheme(&self) -> Scheme {
        match self {
            Self::Argon2 { .. } => Scheme::Argon2,
            Self::Bcrypt { .. } => Scheme::Bcrypt,
            Self::Pbkdf2 { .. } => Scheme::Pbkdf2,
            Self::Scrypt { .. } => Scheme::Scrypt,
        }
    }

    /// The result that the right password gives.
    pub(super) fn expected(&self) -> &[u8] {
        match self {
            Self::Argon2 { expected, .. }
            | Self::Bcrypt { expected, .. }
            | Self::Pbkdf2 { expected, .. }
            | Self::Scrypt { expected, .. } => expected,
        }
    }

    /// Whether it is what [`super::hash`] would make today.
    pub(super) fn is_of_today(&self, today: &Params) -> bool {
        let costs = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
        match self {
            Self::Argon2 {
                algorithm,
                version,
                params,
                expected,
                ..
            } => {
                *algorithm == Algorithm::Argon2id
                    && *version == Version::V0x13
                    && expected.len() == OUTPUT_BYTES
                    && costs(params) == costs(today)
            }
            _ => false,
        }
    }

    /// The result that a presented password gives.
    pub(super) fn compute(
        &self,
        plain: &str,
        memory: &mut Vec<Block>,
    ) -> Result<Vec<u8>, HashError> {
        match self {
            Self::Argon2 {
                algorithm,
                version,
                params,
                salt,
                expected,
            } => {
                let mut output = vec![0; expected.len()];
                if memory.len() < params.block_count() {
                    memory.resize(params.block_count(), Block::default());
                }
                Argon2::new(*algorithm, *version, params.clone())
                    .hash_password_into_with_memory(
                        plain.as_bytes(),
                        salt,
                        &mut output,
                        memory.as_mut_slice(),
                    )
                    .map_err(|_| HashError::Damaged)?;
                Ok(output)
            }
            Self::Bcrypt {
                cost,
                salt,
                over_sha256,
                ..
            } => {
                let hashed;
                let plain = if *over_sha256 {
                    hashed = hex::encode(digest::digest(&digest::SHA256, plain.as_bytes()));
                    &hashed
                } else {
                    plain
                };
                // As the C library does: with the final NUL, and what is longer than 72 bytes is cut off. A password
                // is thereby known by its first 72 bytes until the next sign-in hashes all of it.
                let mut key: Vec<u8> = plain.bytes().chain([0]).collect();
                key.truncate(BCRYPT_BYTES);
                Ok(bcrypt::bcrypt(*cost, *salt, &key)[..23].to_vec())
            }
            Self::Pbkdf2 {
                algorithm,
                rounds,
                salt,
                expected,
            } => {
                let mut output = vec![0; expected.len()];
                pbkdf2::derive(*algorithm, *rounds, salt, plain.as_bytes(), &mut output);
                Ok(output)
            }
            Self::Scrypt {
                params,
                salt,
                expected,
            } => {
                let mut output = vec![0; expected.len()];
                scrypt::scrypt(plain.as_bytes(), salt, params, &mut output)
                    .map_err(|_| HashError::Damaged)?;
                Ok(output)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CHEAP: HashParameters = HashParameters {
        memory_kib: 64,
        passes: 1,
        lanes: 1,
    };

    fn refused(text: &str) -> HashError {
        match read(text, CHEAP) {
            Err(error) => error,
            Ok(_) => panic!("{text} was accepted"),
        }
    }

    #[test]
    fn a_hash_that_would_take_minutes_or_gigabytes_is_refused_unread() {
        let (salt, long) = ("c2FsdHNhbHRzYWx0c2FsdA", "A".repeat(43));
        let (hex, body) = (
            "00".repeat(32),
            format!("{}{}", ".".repeat(22), ".".repeat(31)),
        );
        for text in [
            format!("$argon2id$v=19$m=4194304,t=1,p=1${salt}${long}"),
            format!("$argon2id$v=19$m=65536,t=4294967295,p=1${salt}${long}"),
            format!("$2b$31${body}"),
            format!("$2b$99999999999${body}"),
            format!("bcrypt_sha256$$2b$16${body}"),
            format!("pbkdf2_sha256$4294967295$salt${long}="),
            format!("pbkdf2_sha256$99999999999999999999$salt${long}="),
            format!("$pbkdf2-sha256$i=1000000000,l=32${salt}${long}"),
            format!("pbkdf2:sha1:3000000$salt${hex}"),
            format!("$scrypt$ln=30,r=8,p=1${salt}${long}"),
            format!("$scrypt$ln=4000000000,r=8,p=1${salt}${long}"),
            format!("$scrypt$ln=10,r=8,p=4000000000${salt}${long}"),
            format!("scrypt$1048576$salt$8$1${long}="),
            format!("scrypt:32768:4000000000:1$salt${hex}"),
        ] {
            assert_eq!(refused(&text), HashError::TooCostly, "{text}");
        }
    }

    #[test]
    fn what_is_no_hash_is_refused() {
        let long = "A".repeat(43);
        for text in [
            String::new(),
            "password".into(),
            "$".into(),
            "$$$$".into(),
            "!unusable".into(),
            "md5$salt$0123456789abcdef0123456789abcdef".into(),
            "$1$salt$hash".into(),
            "$2b$12$short".into(),
            "$2x$12$".to_owned() + &".".repeat(53),
            "pbkdf2_sha256$0$salt$".to_owned() + &long,
            "pbkdf2_md5$1000$salt$".to_owned() + &long,
            "pbkdf2_sha256$+5$salt$".to_owned() + &long,
            "pbkdf2_sha256$5$salt$AAAA".into(),
            "scrypt$1000$salt$8$1$".to_owned() + &long,
            "scrypt:1024:0:1$salt$00".into(),
            "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ".into(),
            "$argon2id$v=18$m=64,t=1,p=1$c2FsdHNhbHQ$".to_owned() + &long,
            "x".repeat(5000),
        ] {
            assert_eq!(refused(&text), HashError::Damaged, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_a_panic(
            text: String,
            near in "(\\$|\\$2b\\$|pbkdf2_sha256\\$|pbkdf2:sha1:|\\$pbkdf2-sha512\\$|scrypt[:$]|\\$scrypt\\$|\\$argon2id\\$)[a-zA-Z0-9$=,:./+]{0,80}",
        ) {
            let _ = (read(&text, CHEAP), read(&near, CHEAP));
        }
    }
}
