//! Redis, which is optional: the bus that services may hear of revocations by.

use secret::SecretString;

use super::setting::{Value, section};

section! {
    /// Redis, which is optional: the bus that services may hear of revocations by.
    Redis {
        /// A Redis address such as `redis://:password@host:6379`, or `rediss://` with TLS. Every revocation is
        /// published there. Nothing is published when left out.
        "redis.url" url: Option<RedisUrl>,
    }
}

/// The address of a Redis server, which may hold its password.
#[derive(Debug, Clone)]
pub struct RedisUrl(SecretString);

impl RedisUrl {
    /// A client for it; nothing is connected yet.
    pub(crate) fn client(&self) -> redis::Client {
        redis::Client::open(self.0.expose().as_str()).expect("it was opened when it was read")
    }
}

impl Value for RedisUrl {
    const EXPECTED: &'static str = "a Redis address such as redis://:password@host:6379";
    const SECRET: bool = true;

    fn read(text: &str) -> Option<Self> {
        redis::Client::open(text)
            .is_ok()
            .then(|| Self(SecretString::new(text.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_redis_are_taken_and_others_refused() {
        for text in [
            "redis://localhost",
            "redis://:secret@10.0.0.1:6380/2",
            "rediss://redis.example.com",
            "unix:///run/redis.sock",
        ] {
            assert!(RedisUrl::read(text).is_some(), "{text}");
        }
        for text in ["", "localhost:6379", "http://localhost", "redis://"] {
            assert!(RedisUrl::read(text).is_none(), "{text}");
        }
    }

    #[test]
    fn the_password_is_not_shown() {
        let url = RedisUrl::read("redis://:hunter2@localhost").unwrap();
        assert!(!format!("{url:?}").contains("hunter2"));
    }
}
