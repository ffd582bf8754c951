//! Private keys as operators have them in files, made by another implementation.

use token::{Algorithm, KeyError, SigningKey};

macro_rules! file {
    ($name:literal) => {
        include_str!(concat!("keys/", $name, ".pem"))
    };
}

#[test]
fn keys_of_every_usual_form_are_read_and_have_the_kid_of_their_public_half() {
    // The kids are the first digits of `openssl pkey -pubout -outform DER | sha256sum`.
    for (text, algorithm, kid) in [
        (file!("rsa2048.pkcs8"), Algorithm::Rs256, "3b7a4a4b73f86a80"),
        (file!("rsa2048.pkcs1"), Algorithm::Rs256, "3b7a4a4b73f86a80"),
        (file!("rsa3072.pkcs8"), Algorithm::Rs256, "423c1e395f7a5e7b"),
        // With the block of parameters before it that is usual.
        (file!("p256.sec1"), Algorithm::Es256, "31a698b21cfc34bf"),
        (file!("p256.pkcs8"), Algorithm::Es256, "31a698b21cfc34bf"),
    ] {
        let key = SigningKey::from_pem(text).expect(kid);
        assert_eq!((key.algorithm(), key.kid()), (algorithm, Some(kid)));
        let windows = text.replace('\n', "\r\n");
        let remarked = format!("Bag Attributes\n  friendlyName: x\n{windows}\nthe end");
        let again = SigningKey::from_pem(&remarked).expect(kid);
        assert_eq!(again.kid(), Some(kid));
        let kept = SigningKey::from_bytes(algorithm, &key.to_bytes().expect(kid)).expect(kid);
        assert_eq!(kept.kid(), Some(kid), "what is kept of it is the same key");
    }
}

#[test]
fn weak_and_foreign_keys_are_refused_with_their_reason() {
    let two = concat!(file!("p256.pkcs8"), file!("rsa2048.pkcs1"));
    for (name, text, reason) in [
        ("1024 bits", file!("rsa1024.pkcs8"), KeyError::OtherKind),
        (
            "1024 bits, PKCS#1",
            file!("rsa1024.pkcs1"),
            KeyError::OtherKind,
        ),
        ("P-384", file!("p384.sec1"), KeyError::OtherKind),
        ("secp256k1", file!("secp256k1.sec1"), KeyError::OtherKind),
        ("Ed25519", file!("ed25519.pkcs8"), KeyError::OtherKind),
        ("encrypted", file!("p256.encrypted"), KeyError::Encrypted),
        (
            "encrypted the old way",
            file!("p256.encrypted-sec1"),
            KeyError::Encrypted,
        ),
        ("a public key", file!("p256.public"), KeyError::NotPem),
        ("a certificate", file!("p256.certificate"), KeyError::NotPem),
        ("two keys", two, KeyError::Several),
        ("nothing", "", KeyError::NotPem),
        ("a cut file", &file!("p256.pkcs8")[..60], KeyError::NotPem),
    ] {
        assert_eq!(SigningKey::from_pem(text).err(), Some(reason), "{name}");
    }
    let damaged = file!("p256.pkcs8").replacen("MIG", "MIH", 1);
    assert!(SigningKey::from_pem(&damaged).is_err());
}
