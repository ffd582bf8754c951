//! Bare argon2id, with the cost that is the server's default and with memory that is used again.

use std::time::{Duration, Instant};

use argon2::{Algorithm, Argon2, Block, Params, Version};

/// Hashes on some threads for some seconds; how many hashes a second, as JSON.
pub(crate) fn run(threads: usize, seconds: u64) -> String {
    let params = Params::new(19_456, 2, 1, Some(32)).expect("the parameters are in range");
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let end = Instant::now() + Duration::from_secs(seconds);
    let begun = Instant::now();
    let workers: Vec<_> = (0..threads)
        .map(|_| {
            let argon2 = argon2.clone();
            std::thread::spawn(move || {
                let mut memory = vec![Block::default(); argon2.params().block_count()];
                let mut output = [0; 32];
                let mut count = 0_u64;
                while Instant::now() < end {
                    argon2
                        .hash_password_into_with_memory(
                            b"correct horse battery",
                            b"0123456789abcdef",
                            &mut output,
                            &mut memory,
                        )
                        .expect("the parameters fit");
                    count += 1;
                }
                count
            })
        })
        .collect();
    let count: u64 = workers
        .into_iter()
        .map(|worker| worker.join().expect("hashing does not panic"))
        .sum();
    let took = begun.elapsed().as_millis();
    format!(r#"{{"hashes":{count},"milliseconds":{took}}}"#)
}
