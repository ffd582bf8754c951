//! The issuer's clients: signing in at `/user`, and what an access token says.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{
    http,
    server::{Owner, Server},
};

/// The secret that services share with the bench's server.
pub(super) const PRIVATE_API_SECRET: &str = "Shared-With_The-Bench-0123456789-abc";

/// What a client holds after signing in.
pub(super) struct Pair {
    pub(super) access: String,
    pub(super) refresh: String,
}

/// Signs somebody in by the login form.
pub(super) fn sign_in(server: &Server, owner: &Owner) -> Result<Pair> {
    let form = format!(
        "username={}&password={}",
        owner.email.replace('@', "%40"),
        owner.password.replace(' ', "+")
    );
    let answer = http::send(
        server.port,
        "POST",
        &server.shell_host(),
        "/user/login/access-token",
        &[("content-type", "application/x-www-form-urlencoded")],
        &form,
    )?;
    ensure!(
        answer.status == 200,
        "signing in was answered {}: {}",
        answer.status,
        answer.body
    );
    let body: Value = serde_json::from_str(&answer.body)?;
    let access = body["access_token"].as_str().context("no access token")?;
    let refresh = answer
        .header("set-cookie")
        .and_then(|cookie| cookie.strip_prefix("refresh_token="))
        .and_then(|rest| rest.split(';').next())
        .context("no refresh cookie")?;
    Ok(Pair {
        access: access.to_owned(),
        refresh: refresh.to_owned(),
    })
}

/// The claims of an access token, unverified.
pub(super) fn claims(token: &str) -> Result<Value> {
    let part = token.split('.').nth(1).context("a JWT has three parts")?;
    Ok(serde_json::from_slice(&base64url(part)?)?)
}

fn base64url(text: &str) -> Result<Vec<u8>> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut bytes = Vec::new();
    let (mut bits, mut held) = (0_u32, 0);
    for letter in text.bytes() {
        let value = ALPHABET.iter().position(|known| *known == letter);
        bits = bits << 6 | u32::try_from(value.context("not base64url")?)?;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xff)?);
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64url_is_read() {
        assert_eq!(base64url("eyJhIjoxfQ").unwrap(), br#"{"a":1}"#);
        assert_eq!(base64url("_-8").unwrap(), [0xff, 0xef]);
        assert!(base64url("a b").is_err());
    }
}
