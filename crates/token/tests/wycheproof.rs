//! The Wycheproof vectors for the three algorithms, put through our own verification.
//!
//! The vectors sign messages of any bytes, while a token's signature covers `header.payload`. So each vector goes to
//! the library as we use it, with our own parsing of the key; that the parts of a token reach it intact is shown by
//! `access_token.rs`.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secret::Secret;
use token::{Algorithm, VerifyingKey};
use wycheproof::TestResult;

fn check(key: &VerifyingKey, message: &[u8], signature: &[u8], expected: TestResult, id: usize) {
    let accepted = key.verify_signature(&URL_SAFE_NO_PAD.encode(signature), message);
    match expected {
        TestResult::Valid => assert!(accepted, "vector {id} must be accepted"),
        TestResult::Invalid => assert!(!accepted, "vector {id} must be refused"),
        // Either is right by the vectors; we pin neither.
        TestResult::Acceptable => (),
    }
}

#[test]
fn rsa_signatures_pass_the_vectors() {
    use wycheproof::rsa_pkcs1_verify::{TestName, TestSet};
    let mut vectors = 0;
    for name in [
        TestName::Rsa2048Sha256,
        TestName::Rsa3072Sha256,
        TestName::Rsa4096Sha256,
    ] {
        let set = TestSet::load(name).expect("the vectors");
        for group in set.test_groups {
            let key = VerifyingKey::from_spki(&group.der).expect("a key of the vectors");
            assert_eq!(key.algorithm(), Algorithm::Rs256);
            for test in group.tests {
                vectors += 1;
                check(&key, &test.msg, &test.sig, test.result, test.tc_id);
            }
        }
    }
    assert!(vectors > 500, "{vectors}");
}

#[test]
fn p256_signatures_pass_the_vectors() {
    use wycheproof::ecdsa::{TestName, TestSet};
    let mut vectors = 0;
    let set = TestSet::load(TestName::EcdsaSecp256r1Sha256P1363).expect("the vectors");
    for group in set.test_groups {
        let key = VerifyingKey::from_spki(&group.der).expect("a key of the vectors");
        assert_eq!(key.algorithm(), Algorithm::Es256);
        for test in group.tests {
            vectors += 1;
            check(&key, &test.msg, &test.sig, test.result, test.tc_id);
        }
    }
    assert!(vectors > 200, "{vectors}");
}

#[test]
fn hmac_tags_pass_the_vectors() {
    use wycheproof::mac::{TestName, TestSet};
    let mut vectors = 0;
    let set = TestSet::load(TestName::HmacSha256).expect("the vectors");
    for group in set.test_groups {
        // Truncated tags and short keys exist in the vectors; we take neither.
        for test in group.tests {
            let Ok(key) = VerifyingKey::from_secret(&Secret::new(test.key.to_vec())) else {
                assert!(test.key.len() < 32);
                continue;
            };
            vectors += 1;
            if group.tag_size == 256 {
                check(&key, &test.msg, &test.tag, test.result, test.tc_id);
            } else {
                check(&key, &test.msg, &test.tag, TestResult::Invalid, test.tc_id);
            }
        }
    }
    assert!(vectors > 50, "{vectors}");
}
