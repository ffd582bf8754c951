//! Codes of an authenticator app (RFC 6238): six digits, a new one every thirty seconds.

use ids::AccountId;
use jiff::Timestamp;
use secret::{Secret, SecretBytes, SecretString};
use totp_rs::{Algorithm, Builder, Totp};

/// Bytes of a secret: as many as the hash gives out (RFC 4226 §4).
pub const SECRET_BYTES: usize = 20;

/// Seconds that a code is shown.
const STEP: u64 = 30;
/// Codes before and after the present one that are taken too: clocks differ, and people type slowly.
const WINDOW: u64 = 1;
const DIGITS: u8 = 6;

/// A person's authenticator app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authenticator {
    /// Whose it is; everybody has one at most.
    pub account: AccountId,
    /// The secret that the app shares with the server, sealed.
    pub sealed_secret: Vec<u8>,
    /// When the secret was made.
    pub created_at: Timestamp,
    /// When the first code of the app was right. Until then nothing is asked of it.
    pub confirmed_at: Option<Timestamp>,
    /// The number of the step whose code was taken last; neither that code nor an older one is taken again. Zero at
    /// first.
    pub last_step: u64,
}

/// Why a code is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodeRefusal {
    /// It is none of the codes that are shown about now.
    #[error("the code is wrong; type the one that the app shows now")]
    Wrong,
    /// It was right, and was taken before.
    #[error("this code was used before; wait for the next one")]
    Used,
}

/// The number of the step whose code this is. `last_step` is the one that was taken last.
///
/// The caller must make sure that of several callers with one code only one gets through: by noting the step only
/// where it is greater than the one that was noted before.
pub fn accept(
    secret: &SecretBytes,
    code: &str,
    last_step: u64,
    now: Timestamp,
) -> Result<u64, CodeRefusal> {
    let totp = totp(secret, None);
    let present = step(now);
    let mut refusal = CodeRefusal::Wrong;
    for step in present.saturating_sub(WINDOW)..=present + WINDOW {
        if totp.check(code, step * STEP).is_none() {
            continue;
        }
        if step > last_step {
            return Ok(step);
        }
        refusal = CodeRefusal::Used;
    }
    Err(refusal)
}

/// The code that an app shows at an instant. The server has no use for it but in tests.
pub fn code(secret: &SecretBytes, at: Timestamp) -> String {
    totp(secret, None).generate(step(at) * STEP).to_string()
}

/// The secret as people type it into an app: base32, in groups of four.
pub fn spell(secret: &SecretBytes) -> SecretString {
    let text = totp_rs::Secret::new(secret.expose().as_slice().into()).to_base32();
    let groups: Vec<&str> = text
        .as_bytes()
        .chunks(4)
        .map(|group| str::from_utf8(group).expect("base32 is ASCII"))
        .collect();
    Secret::new(groups.join(" "))
}

/// The address that an app reads from the picture: `otpauth://totp/…`. `place` names this server, `account` the person.
pub fn address(secret: &SecretBytes, place: &str, account: &str) -> SecretString {
    let totp = totp(secret, Some((place, account)));
    Secret::new(totp.to_url().expect("the names were cleaned"))
}

fn totp(secret: &SecretBytes, names: Option<(&str, &str)>) -> Totp {
    let builder = Builder::new()
        .with_algorithm(Algorithm::SHA1)
        .with_digits(DIGITS)
        .with_skew(0)
        .with_step_duration(STEP)
        .with_secret(secret.expose().as_slice());
    match names {
        // A colon separates the two names.
        Some((place, account)) => builder
            .with_issuer(Some(place.replace(':', " ")))
            .with_account_name(account.replace(':', " ")),
        None => builder,
    }
    .build_noncompliant()
}

fn step(at: Timestamp) -> u64 {
    u64::try_from(at.as_second()).unwrap_or_default() / STEP
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    fn secret() -> SecretBytes {
        Secret::new(b"12345678901234567890".to_vec())
    }

    #[test]
    fn the_codes_are_those_of_rfc_6238() {
        // Appendix B, the last six of its eight digits.
        for (second, shown) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(code(&secret(), at(second)), shown);
        }
    }

    #[test]
    fn the_code_before_and_the_code_after_are_taken_and_no_other() {
        let now = at(1_700_000_010);
        let present = step(now);
        for (seconds, taken) in [
            (-60, false),
            (-30, true),
            (0, true),
            (30, true),
            (60, false),
        ] {
            let code = code(&secret(), at(1_700_000_010 + seconds));
            let accepted = accept(&secret(), &code, 0, now);
            let expected = present.checked_add_signed(seconds / 30);
            assert_eq!(accepted.ok(), expected.filter(|_| taken), "{seconds}");
        }
    }

    #[test]
    fn a_code_that_was_taken_and_older_ones_are_not_taken_again() {
        let now = at(1_700_000_010);
        let shown = code(&secret(), now);
        let step = accept(&secret(), &shown, 0, now).expect("right");
        assert_eq!(accept(&secret(), &shown, step, now), Err(CodeRefusal::Used));
        let older = code(&secret(), at(1_700_000_010 - 30));
        assert_eq!(accept(&secret(), &older, step, now), Err(CodeRefusal::Used));
        let next = code(&secret(), at(1_700_000_010 + 30));
        assert_eq!(accept(&secret(), &next, step, now), Ok(step + 1));
    }

    #[test]
    fn an_app_is_given_the_secret_the_place_and_the_person() {
        let address = address(&secret(), "apps.example.com:8080", "ada@example.com");
        let address = address.expose();
        assert!(
            address.starts_with("otpauth://totp/apps.example.com%208080:ada"),
            "{address}"
        );
        for part in [
            "secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
            "issuer=apps.example.com%208080",
        ] {
            assert!(address.contains(part), "{address}");
        }
        assert_eq!(
            spell(&secret()).expose(),
            "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ"
        );
    }

    proptest! {
        #[test]
        fn a_step_is_taken_only_within_the_window_and_after_the_last(
            secret: [u8; SECRET_BYTES], shown in 0_i64..4_000_000_000, later in -200_i64..200, last in 0_u64..200_000_000,
        ) {
            let secret = Secret::new(secret.to_vec());
            let now = at((shown + later).max(0));
            if let Ok(taken) = accept(&secret, &code(&secret, at(shown)), last, now) {
                prop_assert!(taken > last && taken.abs_diff(step(now)) <= WINDOW);
            }
        }

        #[test]
        fn any_text_is_refused_without_a_panic(text: String, second in -10_i64..4_000_000_000) {
            let digits = text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit());
            prop_assume!(!digits);
            prop_assert_eq!(accept(&secret(), &text, 0, at(second)), Err(CodeRefusal::Wrong));
        }
    }
}
