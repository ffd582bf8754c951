//! Counts of what happened to accounts in the current month.

use axum::{Json, extract::State};
use protocol::issuer::{Activity, ModelActivity, UsersActivity};

use crate::{
    Context,
    actions::accounts::{self as actions, Whose},
    error::IssuerError,
    extract::{Caller, TokenCaller},
    routes::Routes,
};

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/dashboard/users/activity/", activity)
        .get("/dashboard/users/activity/current/", own_activity)
}

async fn activity(
    State(context): State<Context>,
    TokenCaller(caller): TokenCaller,
) -> Result<Json<UsersActivity>, IssuerError> {
    let whose = if caller.account.role.is_superuser() {
        Whose::All
    } else {
        Whose::Own
    };
    counted(&context, &caller, whose).await
}

async fn own_activity(
    State(context): State<Context>,
    TokenCaller(caller): TokenCaller,
) -> Result<Json<UsersActivity>, IssuerError> {
    counted(&context, &caller, Whose::Own).await
}

async fn counted(
    context: &Context,
    caller: &Caller,
    whose: Whose,
) -> Result<Json<UsersActivity>, IssuerError> {
    let counts = actions::count_activity(context, caller, whose).await?;
    let (updated, added) = (counts.updated, counts.added);
    let nb_users = if caller.account.role.is_superuser() {
        counts.people
    } else {
        0
    };
    Ok(Json(UsersActivity {
        nb_users,
        activity: Activity {
            max: updated.max(added),
            min: 0,
            activity: vec![ModelActivity {
                model: "User".to_owned(),
                updated,
                added,
            }],
        },
    }))
}
