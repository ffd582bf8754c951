//! Apps a caller can see, and what is told of each.

use apps::App;
use jiff::Timestamp;
use storage::Tx;

use crate::{Context, Error, extract::Caller};

/// An app with what a list shows of it.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The app.
    pub app: App,
    /// Its owner's username.
    pub owner_username: String,
    /// When the release that is served was made live.
    pub published_at: Option<Timestamp>,
}

/// A caller's apps.
#[derive(Debug, Clone)]
pub struct Lists {
    /// Those they own.
    pub mine: Vec<Listed>,
    /// Those of others that they are a member of.
    pub shared: Vec<Listed>,
}

/// Lists the caller's own apps and those shared with them, by name.
pub async fn list(context: &Context, caller: &Caller) -> Result<Lists, Error> {
    let account = caller.account.id;
    context
        .storage
        .scan(move |tx| {
            let mine = tx.apps().list_by_owner(account)?;
            // Who came by themselves has no business in an app that is no longer open to all.
            let mut shared = Vec::new();
            for app in tx.apps().list_shared_with(account)? {
                let member = tx.members().find(app.id, account)?;
                if apps::is_listed(&app, account, member.as_ref()) {
                    shared.push(app);
                }
            }
            Ok(Lists {
                mine: all_listed(tx, mine)?,
                shared: all_listed(tx, shared)?,
            })
        })
        .await
}

/// What a list shows of one app.
pub async fn describe(context: &Context, app: &App) -> Result<Listed, Error> {
    let app = app.clone();
    context.storage.read(move |tx| listed(tx, app)).await
}

fn all_listed(tx: &mut Tx, apps: Vec<App>) -> Result<Vec<Listed>, Error> {
    let mut all = apps
        .into_iter()
        .map(|app| listed(tx, app))
        .collect::<Result<Vec<_>, _>>()?;
    all.sort_by_cached_key(|listed| listed.app.name.to_lowercase());
    Ok(all)
}

fn listed(tx: &mut Tx, app: App) -> Result<Listed, Error> {
    let owner = tx.accounts().find(app.owner)?;
    let live = match app.live_version {
        Some(version) => tx.releases().find(app.id, version)?,
        None => None,
    };
    Ok(Listed {
        owner_username: owner.map(|owner| owner.username).unwrap_or_default(),
        published_at: live.and_then(|release| release.activated_at),
        app,
    })
}
