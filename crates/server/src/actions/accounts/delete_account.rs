//! Deleting an account, one's own or somebody else's.

use accounts::{Actor, Standing};
use http::StatusCode;
use ids::AccountId;
use storage::EventKind;

use super::authority;
use crate::{Context, Error};

/// How many of the apps that stand in the way are named.
const APPS_NAMED: usize = 5;

/// Deletes an account with its sessions, tokens and memberships. Refused while it owns apps: whoever deletes it decides
/// first what becomes of them.
pub async fn delete_account(context: &Context, actor: Actor, id: AccountId) -> Result<(), Error> {
    context
        .change(move |change| {
            let account = authority::find_person(change, id)?.ok_or_else(Error::not_found)?;
            authority::decide(change, actor, &account, Standing::Gone)?;
            let owned = change.apps().list_by_owner(id)?;
            if !owned.is_empty() {
                return Err(owns_apps(&owned));
            }
            // Deleted apps hold their slugs for some days and nobody sees them: they do not keep a person here.
            if let Some(heir) = change.accounts().find_other_superadmin(id)? {
                change.apps().hand_over_deleted(id, heir.id)?;
            }
            change.accounts().delete(id)?;
            change.event(EventKind::AccountDeleted, id)
        })
        .await
}

fn owns_apps(owned: &[apps::App]) -> Error {
    let mut names: Vec<_> = owned
        .iter()
        .take(APPS_NAMED)
        .map(|app| app.slug.to_string())
        .collect();
    if owned.len() > APPS_NAMED {
        names.push(format!("{} more", owned.len() - APPS_NAMED));
    }
    Error::new(
        StatusCode::CONFLICT,
        "owns_apps",
        format!(
            "This account owns apps: {}. Delete them first.",
            names.join(", ")
        ),
    )
}
