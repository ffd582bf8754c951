//! `account …`: an operator's way, straight at the data directory, whether a server is running or not.

use serde_json::json;
use server::Context;
use server::actions::accounts::{self, NewAccount};
use server::clock::Clock;

use crate::arguments::{AccountCreate, AccountResetFactors};
use crate::commands::serve::chain;
use crate::commands::{config, login};
use crate::failure::{Code, Failure, Outcome};
use crate::output::Output;

pub(crate) async fn create(arguments: &AccountCreate, output: Output) -> Outcome {
    let config = config::load(&arguments.serving)?;
    let role = arguments.role.parse().map_err(Failure::usage_of)?;
    let password = login::password(arguments.password_stdin, output)?;
    let context = Context::open(config, Clock::system())
        .await
        .map_err(chain)?;
    let new = NewAccount {
        email: arguments.email.clone(),
        username: arguments.username.clone(),
        full_name: None,
        password: password.into(),
    };
    let made = accounts::create_account(&context, new, role).await;
    context.storage.close().await;
    let account = made.map_err(|error| Failure::usage(error.message))?;
    let json = json!({ "id": account.id, "email": account.email, "username": account.username, "role": account.role.as_str() });
    output.result(&json, |_| {
        output.say(format_args!(
            "{} <{}> can sign in now, as {}.",
            account.username, account.email, account.role
        ))
    });
    Ok(())
}

pub(crate) async fn reset_factors(arguments: &AccountResetFactors, output: Output) -> Outcome {
    let config = config::load(&arguments.serving)?;
    let context = Context::open(config, Clock::system())
        .await
        .map_err(chain)?;
    let done = accounts::factors::reset_by_operator(&context, &arguments.login).await;
    context.storage.close().await;
    let account = done.map_err(|error| {
        let code = if error.status.is_server_error() {
            Code::Internal
        } else {
            Code::Refused
        };
        match error.code {
            "not_found" => Failure::new(code, format!("no account is called {}", arguments.login)),
            _ => Failure::new(code, error.message),
        }
    })?;
    let json = json!({ "id": account.id, "email": account.email, "username": account.username });
    output.result(&json, |_| {
        output.say(format_args!(
            "{} <{}> has no second factor any more, and is told at the next sign-in.",
            account.username, account.email
        ))
    });
    Ok(())
}
