//! Public keys as services have them in files, made by another implementation.

use token::{Algorithm, KeyError, VerifyingKey};

macro_rules! file {
    ($name:literal) => {
        include_str!(concat!("keys/", $name, ".pem"))
    };
}

#[test]
fn public_keys_of_both_usual_forms_are_read() {
    for (text, algorithm, kid) in [
        (
            file!("rsa2048.public"),
            Algorithm::Rs256,
            "3b7a4a4b73f86a80",
        ),
        (
            file!("rsa2048.public-pkcs1"),
            Algorithm::Rs256,
            "3b7a4a4b73f86a80",
        ),
        (file!("p256.public"), Algorithm::Es256, "31a698b21cfc34bf"),
    ] {
        let key = VerifyingKey::from_pem(text).expect(kid);
        assert_eq!((key.algorithm(), key.kid()), (algorithm, Some(kid)));
        let windows = text.replace('\n', "\r\n");
        assert_eq!(
            VerifyingKey::from_pem(&windows).expect(kid).kid(),
            Some(kid)
        );
    }
}

#[test]
fn weak_foreign_and_private_keys_are_refused() {
    for (name, text) in [
        ("1024 bits", file!("rsa1024.public")),
        ("P-384", file!("p384.public")),
        ("Ed25519", file!("ed25519.public")),
    ] {
        assert!(
            matches!(VerifyingKey::from_pem(text), Err(KeyError::Rejected(_))),
            "{name}"
        );
    }
    for text in [
        file!("rsa2048.pkcs8"),
        file!("p256.sec1"),
        file!("p256.certificate"),
        "",
        "not a key",
    ] {
        assert_eq!(
            VerifyingKey::from_pem(text).err(),
            Some(KeyError::NotPublicPem)
        );
    }
}
