//! `list`, `info`, `versions`, `rollback`, `restart`, `set` and `delete`.

use protocol::control::{Activated, AppChanges, AppInfo, AppList, Rollback, VersionInfo};
use reqwest::Method;
use serde_json::json;

use crate::arguments::{self, Newcomers};
use crate::client::{Client, segment};
use crate::failure::{Failure, Outcome};
use crate::output::{Output, minute, table};

pub(crate) async fn list(client: &Client, output: Output) -> Outcome {
    let apps: AppList = client.get("/v1/apps").await?;
    output.result(&apps, |apps| {
        if apps.mine.is_empty() && apps.shared.is_empty() {
            output.say("No apps yet. Publish a folder with: vestibule publish DIR");
            return;
        }
        let row = |app: &AppInfo| {
            vec![
                app.slug.clone(),
                app.state.clone(),
                app.live_version
                    .map_or_else(|| "–".into(), |version| format!("v{version}")),
                access(app).to_owned(),
                app.owner.clone(),
                minute(app.published_at.as_deref()),
                app.url.clone(),
            ]
        };
        let rows: Vec<_> = apps.mine.iter().chain(&apps.shared).map(row).collect();
        table(
            &[
                "APP",
                "STATE",
                "VERSION",
                "ACCESS",
                "OWNER",
                "PUBLISHED (UTC)",
                "ADDRESS",
            ],
            &rows,
        );
    });
    Ok(())
}

/// The four combinations of the two flags, each in two words.
fn access(app: &AppInfo) -> &'static str {
    match (app.is_public, app.requires_auth) {
        (false, true) => "invited only",
        (true, true) => "listed, sign-in",
        (true, false) => "listed, open",
        (false, false) => "unlisted, open",
    }
}

pub(crate) async fn info(client: &Client, slug: &str, output: Output) -> Outcome {
    let app: AppInfo = client.get(&path(slug, "")).await?;
    output.result(&app, |app| show(app, output));
    Ok(())
}

fn show(app: &AppInfo, output: Output) {
    output.say(format!("{} ({})", app.name, app.slug));
    output.say(format!("  address    {}", app.url));
    output.say(format!("  state      {}", app.state));
    output.say(format!(
        "  version    {}",
        app.live_version
            .map_or_else(|| "none yet".into(), |v| format!("v{v}"))
    ));
    output.say(format!("  access     {}", access(app)));
    output.say(format!("  owner      {}", app.owner));
    output.say(format!(
        "  published  {} UTC",
        minute(app.published_at.as_deref())
    ));
    if let Some(bytes) = app.memory_bytes {
        output.say(format!("  memory     {} MB", bytes / 1_048_576));
    }
    if let Some(restarts) = app.restarts.filter(|restarts| *restarts > 0) {
        output.say(format!("  restarts   {restarts}"));
    }
}

pub(crate) async fn versions(client: &Client, slug: &str, output: Output) -> Outcome {
    let versions: Vec<VersionInfo> = client.get(&path(slug, "/versions")).await?;
    output.result(&versions, |versions| {
        let rows: Vec<_> = versions
            .iter()
            .map(|version| {
                vec![
                    format!("v{}", version.version),
                    if version.live {
                        "live".into()
                    } else {
                        version.state.clone()
                    },
                    minute(Some(&version.created_at)),
                    version.created_by.clone(),
                    version
                        .failure
                        .clone()
                        .or_else(|| version.message.clone())
                        .unwrap_or_default(),
                ]
            })
            .collect();
        table(&["VERSION", "STATE", "CREATED (UTC)", "BY", "NOTE"], &rows);
    });
    Ok(())
}

pub(crate) async fn rollback(
    client: &Client,
    arguments: &arguments::Rollback,
    output: Output,
) -> Outcome {
    let body = Rollback {
        version: arguments.release,
    };
    let activated: Activated = client
        .post(&path(&arguments.slug, "/rollback"), &body)
        .await?;
    output.result(&activated, |activated| {
        let previous = activated
            .previous
            .map_or_else(|| "nothing".into(), |version| format!("v{version}"));
        output.say(format!(
            "{}: {previous} → v{} in {:.1} s. Stored data is as it was.",
            arguments.slug, activated.version, activated.seconds
        ));
    });
    Ok(())
}

pub(crate) async fn restart(client: &Client, slug: &str, output: Output) -> Outcome {
    let activated: Activated = client.post(&path(slug, "/restart"), &json!({})).await?;
    output.result(&activated, |activated| {
        output.say(format!(
            "{slug}: v{} restarted in {:.1} s",
            activated.version, activated.seconds
        ));
    });
    Ok(())
}

pub(crate) async fn set(client: &Client, arguments: &arguments::Set, output: Output) -> Outcome {
    let changes = AppChanges {
        name: arguments.name.clone(),
        is_public: arguments.public.map(Into::into),
        requires_auth: arguments.requires_auth.map(Into::into),
        newcomers: arguments.newcomers.map(|newcomers| {
            match newcomers {
                Newcomers::OwnGroup => "own_group",
                Newcomers::Join => "join",
            }
            .to_owned()
        }),
    };
    if changes == AppChanges::default() {
        return Err(Failure::usage(
            "nothing to change; name a flag, for example --public on",
        ));
    }
    let request = client
        .request(Method::PATCH, &path(&arguments.slug, ""))
        .json(&changes);
    let app: AppInfo = client.json(request).await?;
    output.result(&app, |app| show(app, output));
    Ok(())
}

pub(crate) async fn delete(
    client: &Client,
    arguments: &arguments::Delete,
    yes: bool,
    output: Output,
) -> Outcome {
    let slug = &arguments.slug;
    let confirmed = match &arguments.confirm {
        Some(typed) => typed == slug,
        None if yes => true,
        None if output.is_interactive() => {
            output.say(format!(
                "This deletes {slug}, its versions and all its stored data, for everybody."
            ));
            ask(&format!("Type {slug} to go on: "))? == *slug
        }
        None => {
            return Err(Failure::usage(format!(
                "nobody to ask; repeat the slug with --confirm {slug}"
            )));
        }
    };
    if !confirmed {
        return Err(Failure::usage(
            "the slug was not repeated; nothing was deleted",
        ));
    }
    client
        .done(client.request(Method::DELETE, &path(slug, "")))
        .await?;
    output.result(&json!({ "deleted": slug }), |_| {
        output.say(format!("{slug} is deleted."))
    });
    Ok(())
}

fn ask(question: &str) -> Result<String, Failure> {
    use std::io::Write as _;
    let mut terminal = std::io::stderr();
    write!(terminal, "{question}")?;
    terminal.flush()?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(line.trim().to_owned())
}

/// The path of an app, or of something below it.
pub(crate) fn path(slug: &str, below: &str) -> String {
    format!("/v1/apps/{}{below}", segment(slug))
}
