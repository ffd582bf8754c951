//! `share`, `people` and `unshare`: who may open an app.

use protocol::control::{People, Share, ShareResult};
use reqwest::Method;

use crate::arguments;
use crate::client::Client;
use crate::commands::apps::path;
use crate::failure::{Failure, Outcome};
use crate::output::{Output, minute, table};

pub(crate) async fn share(
    client: &Client,
    arguments: &arguments::Share,
    output: Output,
) -> Outcome {
    let mode = if arguments.own_copy {
        "own_copy"
    } else {
        "join"
    };
    let body = Share {
        addresses: arguments.addresses.clone(),
        mode: Some(mode.to_owned()),
    };
    let results: Vec<ShareResult> = client
        .post(&path(&arguments.slug, "/people"), &body)
        .await?;
    output.result(&results, |results| {
        for result in results {
            let more = result.link.as_deref().or(result.reason.as_deref()).unwrap_or_default();
            output.say(format!("{:10} {}  {more}", result.outcome, result.address).trim_end());
        }
        if results.iter().any(|result| result.link.is_some()) {
            output.say("\nPass each link on to the person it is for; it works for that address only, for 30 days.");
        }
    });
    match results
        .iter()
        .filter(|result| result.outcome == "invalid")
        .count()
    {
        0 => Ok(()),
        count => Err(Failure::usage(format!(
            "{count} of {} addresses were invalid",
            results.len()
        ))),
    }
}

pub(crate) async fn people(client: &Client, slug: &str, output: Output) -> Outcome {
    let people: People = client.get(&path(slug, "/people")).await?;
    output.result(&people, |people| {
        let mut rows: Vec<_> = people
            .members
            .iter()
            .map(|person| {
                let seen = minute(person.last_seen_at.as_deref());
                vec![
                    person.email.clone(),
                    person.username.clone(),
                    person.mode.clone(),
                    seen,
                ]
            })
            .collect();
        rows.extend(people.invites.iter().map(|invite| {
            let until = format!("invited until {}", minute(Some(&invite.expires_at)));
            vec![invite.email.clone(), "–".into(), invite.mode.clone(), until]
        }));
        if rows.is_empty() {
            output.say(format!(
                "Only you. Invite people with: vestibule share {slug} ADDRESS"
            ));
        } else {
            table(&["EMAIL", "USERNAME", "DATA", "LAST SEEN (UTC)"], &rows);
        }
    });
    Ok(())
}

pub(crate) async fn unshare(
    client: &Client,
    arguments: &arguments::Unshare,
    output: Output,
) -> Outcome {
    let (slug, who) = (&arguments.slug, arguments.who.trim().to_lowercase());
    let people: People = client.get(&path(slug, "/people")).await?;
    let member = people
        .members
        .iter()
        .find(|person| person.email == who || person.username == who);
    let invite = people.invites.iter().find(|invite| invite.email == who);
    let below = match (member, invite) {
        (Some(person), _) => format!("/people/{}", person.id),
        (None, Some(invite)) => format!("/people/invites/{}", invite.id),
        (None, None) => {
            return Err(Failure::usage(format!(
                "{who} has no access to {slug}; see vestibule people {slug}"
            )));
        }
    };
    client
        .done(client.request(Method::DELETE, &path(slug, &below)))
        .await?;
    output.result(&serde_json::json!({ "removed": who }), |_| {
        output.say(format_args!("{who} can no longer open {slug}."));
    });
    Ok(())
}
