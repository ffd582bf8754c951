//! Bare signatures on all cores: what issuing an access token costs at least.

use std::{
    thread,
    time::{Duration, Instant},
};

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeySize,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair},
};

use crate::times::{Clock, Times};

/// About as long as the header and claims of a token.
const MESSAGE: [u8; 600] = [b'x'; 600];

enum Key {
    Rsa(RsaKeyPair),
    Ecdsa(EcdsaKeyPair),
}

/// Signs for some seconds; what was seen, as JSON.
pub(crate) fn run(algorithm: &str, seconds: u64) -> String {
    let key = match algorithm {
        "RS256" => Key::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).expect("a key can be made")),
        "ES256" => Key::Ecdsa(
            EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key can be made"),
        ),
        other => panic!("{other} is no algorithm of this bench"),
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    Times::until(Duration::from_secs(seconds), |clock| {
        thread::scope(|scope| {
            let signers: Vec<_> = (0..threads)
                .map(|_| scope.spawn(|| sign(&key, clock)))
                .collect();
            signers
                .into_iter()
                .map(|signer| signer.join().expect("a signer ends"))
                .collect()
        })
    })
}

fn sign(key: &Key, clock: Clock) -> Times {
    let mut times = Times::new(clock);
    let random = SystemRandom::new();
    loop {
        let before = Instant::now();
        if times.is_over(before) {
            return times;
        }
        match key {
            Key::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, &MESSAGE, &mut signature)
                    .expect("a message can be signed");
            }
            Key::Ecdsa(key) => {
                key.sign(&random, &MESSAGE)
                    .expect("a message can be signed");
            }
        }
        times.push(before);
    }
}
