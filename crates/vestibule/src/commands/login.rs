//! `login`, `logout` and `whoami`.

use std::io::Read as _;
use std::time::{Duration, Instant};

use protocol::control::{CliLogin, CliLoginPoll, CliLoginRequest, SessionInfo, SignIn, SignedIn};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::arguments::{Global, Login};
use crate::client::Client;
use crate::commands::connect;
use crate::credentials::{Credentials, Target, origin};
use crate::failure::{Code, Failure, Outcome};
use crate::output::Output;

pub(crate) async fn login(global: &Global, arguments: &Login, output: Output) -> Outcome {
    let mut credentials = Credentials::load()?;
    let named = arguments.url.as_deref().or(global.server.as_deref());
    let server = match named {
        Some(address) => origin(address)?,
        None => credentials.target(None)?.server,
    };
    let client = Client::new(Target {
        server: server.clone(),
        token: None,
    })?;
    let signed_in = match &arguments.email {
        Some(login) => by_password(&client, login, arguments.password_stdin, output).await?,
        None => by_browser(&client, output).await?,
    };
    credentials
        .tokens
        .insert(server.clone(), signed_in.token.clone());
    credentials.current = Some(server.clone());
    credentials.save()?;
    let info = SessionInfo {
        account: signed_in.account,
        expires_at: signed_in.expires_at,
    };
    show(&server, &info, output);
    Ok(())
}

async fn by_password(
    client: &Client,
    login: &str,
    from_stdin: bool,
    output: Output,
) -> Result<SignedIn, Failure> {
    let typed = password(from_stdin, output)?;
    // Whoever pipes the password in may send a code of the second factor on the line after it.
    let (password, code) = match typed.split_once('\n') {
        Some((password, code)) if from_stdin => (password.to_owned(), Some(code.to_owned())),
        _ => (typed, None),
    };
    let mut attempt = SignIn {
        login: login.to_owned(),
        password: password.strip_suffix('\r').unwrap_or(&password).to_owned(),
        otp: code,
        device: device(),
    };
    match client.post("/v1/session", &attempt).await {
        Err(refused) if refused.refusal == "second_factor_required" && !from_stdin => {
            attempt.otp = Some(ask_unseen("Code of your second factor: ", output)?);
            client.post("/v1/session", &attempt).await
        }
        answer => answer,
    }
}

fn ask_unseen(question: &str, output: Output) -> Result<String, Failure> {
    if !output.is_interactive() {
        return Err(Failure::usage(
            "nobody to ask; pipe the password and, on the next line, the code in with --password-stdin",
        ));
    }
    let terminal = console::Term::stderr();
    terminal.write_str(question)?;
    Ok(terminal.read_secure_line()?)
}

/// Reads a password: one line of standard input, or typed unseen on the terminal.
pub(crate) fn password(from_stdin: bool, output: Output) -> Result<String, Failure> {
    if from_stdin {
        // A password is short; whoever pipes more has made a mistake.
        let mut text = String::new();
        std::io::stdin().take(4096).read_to_string(&mut text)?;
        return Ok(text
            .strip_suffix('\n')
            .map_or(text.as_str(), |line| {
                line.strip_suffix('\r').unwrap_or(line)
            })
            .to_owned());
    }
    if !output.is_interactive() {
        return Err(Failure::usage(
            "nobody to ask for the password; pipe it in with --password-stdin",
        ));
    }
    let terminal = console::Term::stderr();
    terminal.write_str("Password: ")?;
    Ok(terminal.read_secure_line()?)
}

async fn by_browser(client: &Client, output: Output) -> Result<SignedIn, Failure> {
    let begun: CliLogin = client
        .post("/v1/cli-login", &CliLoginRequest { device: device() })
        .await?;
    if output.json {
        output.json_line(&json!({ "open": begun.url, "code": begun.code }));
    }
    output.say(format!(
        "Open this page and confirm that it shows the code {}:\n\n  {}\n",
        begun.code, begun.url
    ));
    let deadline = Instant::now() + Duration::from_secs(begun.expires_in);
    let poll = CliLoginPoll {
        poll_secret: begun.poll_secret,
    };
    while Instant::now() < deadline {
        tokio::time::sleep(Duration::from_secs(begun.interval.clamp(1, 30))).await;
        let response = client
            .send(
                client
                    .request(Method::POST, "/v1/cli-login/poll")
                    .json(&poll),
            )
            .await?;
        if response.status() != StatusCode::ACCEPTED {
            return response.json().await.map_err(Failure::internal);
        }
    }
    Err(Failure::new(
        Code::Refused,
        "nobody confirmed in time; run the command again",
    ))
}

pub(crate) async fn logout(global: &Global, output: Output) -> Outcome {
    let mut credentials = Credentials::load()?;
    let target = credentials.target(global.server.as_deref())?;
    let server = target.server.clone();
    if target.token.is_none() {
        return Err(Failure::new(
            Code::Refused,
            format!("not signed in to {server}"),
        ));
    }
    let client = Client::new(target)?;
    // An ended session is what we want; only a server that cannot be asked is a failure.
    if let Err(failure) = client
        .done(client.request(Method::DELETE, "/v1/session"))
        .await
        && failure.code != Code::Refused
    {
        return Err(failure);
    }
    credentials.tokens.remove(&server);
    credentials.save()?;
    output.result(&json!({ "signed_out": server }), |_| {
        output.say(format!("Signed out of {server}."))
    });
    Ok(())
}

pub(crate) async fn whoami(global: &Global, output: Output) -> Outcome {
    let client = connect(global)?;
    let info: SessionInfo = client.get("/v1/session").await?;
    show(client.server(), &info, output);
    Ok(())
}

fn show(server: &str, info: &SessionInfo, output: Output) {
    let json = json!({ "server": server, "account": info.account, "expires_at": info.expires_at });
    output.result(&json, |_| {
        let until = info.expires_at.get(..10).unwrap_or(&info.expires_at);
        output.say(format!(
            "Signed in to {server} as {} ({}) until {until}.",
            info.account.username, info.account.email
        ));
    });
}

/// What the person sees in the list of sessions.
fn device() -> String {
    let host = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    match host.trim() {
        "" => "Command line".to_owned(),
        host => format!(
            "Command line on {}",
            host.chars().take(60).collect::<String>()
        ),
    }
}
