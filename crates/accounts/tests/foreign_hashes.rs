//! Password hashes as other programs write them. Each was made by the program or library it is named after, for the
//! password `correct horse`.

use accounts::{HashParameters, Scheme, Verdict, rehash, scheme, verify};
use secret::{Secret, SecretString};

const CHEAP: HashParameters = HashParameters {
    memory_kib: 32,
    passes: 1,
    lanes: 1,
};

const HASHES: &[(&str, Scheme, &str)] = &[
    (
        "Django pbkdf2_sha256",
        Scheme::Pbkdf2,
        "pbkdf2_sha256$1000$saltsalt$qQDPSZa3Ormyy9oK1Pu0ZLLwP2Svzmx3yu8OvDdq/J0=",
    ),
    (
        "Django pbkdf2_sha1",
        Scheme::Pbkdf2,
        "pbkdf2_sha1$1000$saltsalt$wQoBU7GXMNo2CJC+raijrf6key4=",
    ),
    (
        "Django bcrypt_sha256",
        Scheme::Bcrypt,
        "bcrypt_sha256$$2b$04$abcdefghijklmnopqrstuuIvyWZlBcE3WoQXKqRnwrLYJ6nenE0Bq",
    ),
    (
        "Django bcrypt",
        Scheme::Bcrypt,
        "bcrypt$$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e",
    ),
    (
        "Django scrypt",
        Scheme::Scrypt,
        "scrypt$1024$saltsalt$8$1$ZGeSwropSvEgLQU1pjltINKrRvmEBSnohdqYXUe5EZ8lX839he8Xlnu1Hm6vBg8U0dik5GHfzXu1ax2apIYCXQ==",
    ),
    (
        "Django argon2",
        Scheme::Argon2,
        "argon2$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHRzYWx0$Kw3/ZjLNvvrvmWv7DSmJdvIaVuO5yzpUAyMmNiCnHLI",
    ),
    (
        "Werkzeug scrypt",
        Scheme::Scrypt,
        "scrypt:1024:8:1$cft35bSmAT0hnguI$718d21b1e48bae77e10d67649e91692cbcee96c849a63e91db5cabeeda8d306360a77fa9e54d7dfb84b6b0a94f525ab5640bcb26883526c78b638420c6d575a5",
    ),
    (
        "Werkzeug pbkdf2",
        Scheme::Pbkdf2,
        "pbkdf2:sha256:1000$EVCfevTaIR53mH4s$c8861766bc78dfa5c5bdac070c2a654501a2bc6d866809e43ea52e71cd245a7f",
    ),
    (
        "passlib pbkdf2-sha256",
        Scheme::Pbkdf2,
        "$pbkdf2-sha256$1000$k/K.FyKE8P5/L4XQOoeQUg$S.3/HWXkijTocMxfwiWY69nNfHrmC9k5SjbgQqOAe9E",
    ),
    (
        "passlib pbkdf2-sha512",
        Scheme::Pbkdf2,
        "$pbkdf2-sha512$1000$fe.9NwbgfG9NKYWwFkLI2Q$6hMOGPhLDvpfY28bvRN0Q7OneJbjO5fiN0EtNuuiTL0vB3vyE/OAfS0WEwSDsetNRcvWBcZLUARhVEOX1TA1pA",
    ),
    (
        "passlib pbkdf2",
        Scheme::Pbkdf2,
        "$pbkdf2$1000$O2fsnXNujREipDRmzNmbkw$b0/LPbINnRQ2Tq6WUTrF2ts28Mo",
    ),
    (
        "passlib scrypt",
        Scheme::Scrypt,
        "$scrypt$ln=8,r=8,p=1$EwKgNIaQUopR6n0vRQghpA$NMqau+cqIlEmeNrv6p5/Q+1YLelF55q7trzZHhllQKQ",
    ),
    (
        "bcrypt 2a",
        Scheme::Bcrypt,
        "$2a$04$K/aFuqgpbpGxGMKUwHaVq.n6pIYI4mZi6JPM9EZ2jRLYoV6E2ZXYu",
    ),
    (
        "bcrypt 2b",
        Scheme::Bcrypt,
        "$2b$04$z7plndE1bthq4IylWv4uLuD661NPxv0fWTvNNh.msb/avxEEDEHLG",
    ),
    (
        "bcrypt 2y",
        Scheme::Bcrypt,
        "$2y$04$RQNHWZdvYvf0f7P8PBgeueH1EIh6OKP29RY61GmPbvjj2rlZDXuPi",
    ),
    (
        "argon2id",
        Scheme::Argon2,
        "$argon2id$v=19$m=64,t=1,p=2$c2FsdHNhbHRzYWx0c2FsdA$B9xkBqvxXZts/NhysGGUTfv/bK7FcKdufCDvKNfQqz0",
    ),
    (
        "argon2i",
        Scheme::Argon2,
        "$argon2i$v=19$m=64,t=1,p=2$c2FsdHNhbHRzYWx0c2FsdA$bCbGg6YZ0y8oNr6ly3aP8R/p1LSwxUhvmFEpnd/cdeU",
    ),
    (
        "argon2d",
        Scheme::Argon2,
        "$argon2d$v=19$m=64,t=1,p=2$c2FsdHNhbHRzYWx0c2FsdA$leeyB5wivi6fXP5zFQsMDcjZA1PBCIcMYxKMtoGVSDw",
    ),
    (
        "argon2i 1.0",
        Scheme::Argon2,
        "$argon2i$v=16$m=64,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$SXMLPQrT0E6cWc+PH6Ul5A",
    ),
];

/// bcrypt's of 72 times `a` and a tail that it never saw.
const OF_A_LONG_PASSWORD: &str = "$2b$04$e1ytjy/Bx.aLRz47lVGx/O3DaUpVAmvqLiCYFZIAyNVcG6tx/JPSq";

fn secret(text: &str) -> SecretString {
    Secret::new(text.to_owned())
}

fn check(typed: &str, stored: &str) -> Verdict {
    verify(
        &secret(typed),
        Some(&secret(stored)),
        CHEAP,
        &mut Vec::new(),
    )
    .expect(stored)
}

#[test]
fn a_password_signs_in_whatever_program_hashed_it() {
    for (name, known, hash) in HASHES {
        assert_eq!(scheme(&secret(hash), CHEAP), Ok(*known), "{name}");
        let right = check("correct horse", hash);
        assert!(right.matches && right.outdated, "{name}");
        for wrong in ["correct horsf", "correct hors", "", "correct horse "] {
            assert!(!check(wrong, hash).matches, "{name}: {wrong:?}");
        }
    }
}

#[test]
fn an_altered_hash_matches_no_more() {
    for (name, _, hash) in HASHES {
        // Not the last character: its lowest bits may stand for nothing.
        let at = hash.len() - 5;
        let other = if hash.as_bytes()[at] == b'a' {
            "b"
        } else {
            "a"
        };
        let altered = format!("{}{other}{}", &hash[..at], &hash[at + 1..]);
        let verdict = verify(
            &secret("correct horse"),
            Some(&secret(&altered)),
            CHEAP,
            &mut Vec::new(),
        );
        assert!(!verdict.is_ok_and(|verdict| verdict.matches), "{name}");
    }
}

/// Contract §10, issuer 8: bcrypt takes 72 bytes. A hash made by a program that cut the rest off is still matched by
/// the password its owner types; from then on all of it counts.
#[test]
fn a_password_longer_than_bcrypt_reads_signs_in_and_then_counts_in_full() {
    let typed = format!("{}tail that bcrypt never sees", "a".repeat(72));
    assert!(check(&typed, OF_A_LONG_PASSWORD).matches);
    assert!(check(&"a".repeat(72), OF_A_LONG_PASSWORD).matches);
    assert!(!check(&"a".repeat(71), OF_A_LONG_PASSWORD).matches);

    let ours = rehash(&secret(&typed), [9; 16], CHEAP, &mut Vec::new()).expect("good parameters");
    assert_eq!(
        check(&typed, ours.expose()),
        Verdict {
            matches: true,
            outdated: false
        }
    );
    assert!(!check(&"a".repeat(72), ours.expose()).matches);
}

#[test]
fn memory_that_a_foreign_hash_took_is_given_back() {
    let mut memory = Vec::new();
    let large = rehash(
        &secret("correct horse"),
        [9; 16],
        HashParameters {
            memory_kib: 1024,
            ..CHEAP
        },
        &mut Vec::new(),
    )
    .expect("good parameters");
    let verdict = verify(&secret("correct horse"), Some(&large), CHEAP, &mut memory);
    assert!(verdict.expect("a good hash").matches);
    assert!(memory.capacity() <= 32, "{}", memory.capacity());
}
