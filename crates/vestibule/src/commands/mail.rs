//! `mail test` and `account links`: mail from the operator's side.

use accounts::Email;
use serde_json::json;
use server::Context;
use server::actions::accounts::{list_mailed_links, show_mailed_link};
use server::clock::Clock;
use server::mail::send_test;

use crate::arguments::{AccountLinks, MailTest};
use crate::commands::config;
use crate::commands::serve::chain;
use crate::failure::{Code, Failure, Outcome};
use crate::output::{Output, table};

/// Sends a test message, at once.
pub(crate) async fn test(arguments: &MailTest, output: Output) -> Outcome {
    let config = config::load(&arguments.serving)?;
    if !config.mail.is_configured() {
        return Err(Failure::new(
            Code::Configuration,
            "no mail server is set up; set mail.host and mail.from",
        ));
    }
    let email = Email::parse(&arguments.address).map_err(Failure::usage_of)?;
    send_test(&config, &email)
        .await
        .map_err(|error| Failure::new(Code::Network, error.text()))?;
    let host = config.mail.host.as_deref().unwrap_or_default();
    output.result(&json!({"sent": true, "host": host}), |_| {
        output.say(format_args!(
            "{host} took the message. Look whether it arrives, and not among the unwanted mail."
        ));
    });
    Ok(())
}

/// Shows the links that wait to be mailed. That they were shown is on record.
pub(crate) async fn links(arguments: &AccountLinks, output: Output) -> Outcome {
    let config = config::load(&arguments.serving)?;
    let context = Context::open(config, Clock::system())
        .await
        .map_err(chain)?;
    let shown = show(&context, arguments.address.as_deref()).await;
    context.storage.close().await;
    let shown = shown.map_err(|error| Failure::internal(error.message))?;
    let as_json: Vec<_> = shown
        .iter()
        .map(|(link, text)| {
            json!({
                "email": link.email, "kind": link.kind, "link": text,
                "expires_at": link.expires_at.to_string(), "problem": link.problem,
            })
        })
        .collect();
    output.result(&as_json, |_| {
        if shown.is_empty() {
            output.say("No link waits.");
            return;
        }
        let rows: Vec<_> = shown
            .iter()
            .map(|(link, text)| {
                let until = link.expires_at.to_string();
                let until = until.get(..16).unwrap_or(&until).replace('T', " ");
                vec![link.email.clone(), link.kind.clone(), until, text.clone()]
            })
            .collect();
        table(&["ADDRESS", "FOR", "GOOD UNTIL (UTC)", "LINK"], &rows);
    });
    Ok(())
}

async fn show(
    context: &Context,
    address: Option<&str>,
) -> Result<Vec<(server::actions::accounts::MailedLink, String)>, server::Error> {
    let wanted = address.map(|address| address.trim().to_lowercase());
    let mut shown = Vec::new();
    for link in list_mailed_links(context).await? {
        if wanted.as_ref().is_some_and(|wanted| *wanted != link.email) {
            continue;
        }
        match show_mailed_link(context, link.id, "command line").await {
            Ok(text) => shown.push((link, text)),
            // Sent or used in between.
            Err(error) if error.code == "not_found" => {}
            Err(error) => return Err(error),
        }
    }
    Ok(shown)
}
