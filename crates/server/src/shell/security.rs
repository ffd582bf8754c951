//! What protects the viewer's account: passkeys, an authenticator app, recovery codes.

use axum::response::Response;
use http::{HeaderMap, StatusCode};
use ids::PasskeyId;
use jiff::Timestamp;

use super::{
    errors,
    form::Posted,
    next::Next,
    pages::{self, Account, AccountTab, NoticeRow, QrPicture, code_form},
    passkeys,
    ui::Tone,
    visit::{Visit, go},
};
use crate::{
    Error,
    actions::accounts::{factors, require_recent_proof},
    extract::Path,
};

const HOME: &str = "/account/security";
const HEAD: Account = Account {
    tab: AccountTab::Security,
};

/// `GET /account/security`.
pub(super) async fn security(visit: Visit) -> Result<Response, Error> {
    let (context, caller) = (&visit.context, visit.caller()?);
    let protection = factors::protection(context, caller).await?;
    let page = visit.page();
    let row = |passkey: accounts::Passkey| pages::PasskeyRow {
        id: passkey.id.to_string(),
        name: passkey.name,
        synced: passkey.synced,
        since: page.moment(passkey.created_at),
        last_used: passkey.last_used_at.map(|at| page.moment(at)),
    };
    let page = pages::Security {
        head: HEAD,
        notices: notices(&visit).await?,
        has_password: protection.factors.password,
        passkeys: protection.passkeys.into_iter().map(row).collect(),
        passkeys_work: factors::passkeys_work(context),
        device: visit.device.clone(),
        authenticator: protection.authenticator_since.map(|at| page.moment(at)),
        recovery_codes: protection.factors.recovery_codes,
        recovery_codes_made: protection.recovery_codes_made.map(|at| page.moment(at)),
        asks_for_second: protection.factors.ask_for_second(),
        page,
    };
    Ok(visit.show(StatusCode::OK, &page))
}

/// What the viewer has to be told.
pub(super) async fn notices(visit: &Visit) -> Result<Vec<NoticeRow>, Error> {
    let page = visit.page();
    let notices = factors::list_notices(&visit.context, visit.caller()?).await?;
    let row = |(at, text)| NoticeRow {
        at: page.moment(at),
        text,
    };
    Ok(notices.into_iter().map(row).collect())
}

/// `POST /account/security/seen`.
pub(super) async fn see_notices(Posted { visit, fields }: Posted) -> Result<Response, Error> {
    let until: Timestamp = fields.get("until").parse().unwrap_or(visit.page().now);
    factors::see_notices(&visit.context, visit.caller()?, until).await?;
    Ok(go(Next::parse(fields.get("next")).as_str()))
}

/// `POST /account/security/passkeys/begin`.
pub(super) async fn begin_passkey(Posted { visit, .. }: Posted) -> Result<Response, Error> {
    let challenge = factors::begin_passkey(&visit.context, visit.caller()?).await?;
    Ok(passkeys::challenge(&visit, &challenge))
}

/// `POST /account/security/passkeys`.
pub(super) async fn add_passkey(
    headers: HeaderMap,
    Posted { visit, fields }: Posted,
) -> Result<Response, Error> {
    let (context, caller) = (&visit.context, visit.caller()?);
    let (answer, name) = (fields.get("answer"), fields.get("name"));
    let registered = match passkeys::token(&headers) {
        Ok(token) => {
            factors::finish_passkey(context, caller, token, answer, name, &visit.device).await
        }
        Err(error) => Err(error),
    };
    match registered {
        Ok(registered) => {
            if let Some(codes) = registered.recovery_codes {
                return Ok(show_codes(&visit, "The passkey is added.", &codes));
            }
            let text = format!("The passkey “{}” is added.", registered.name);
            Ok(visit.go_saying(HOME, Tone::Good, &text))
        }
        Err(error) if is_about_the_answer(&error) => {
            Ok(visit.go_saying(HOME, Tone::Bad, &error.message))
        }
        Err(error) => Err(error),
    }
}

fn is_about_the_answer(error: &Error) -> bool {
    matches!(error.code, "wrong_passkey" | "step_lapsed" | "taken")
}

/// `GET /account/security/passkeys/{passkey}/name`.
pub(super) async fn passkey_name(visit: Visit, Path(id): Path<String>) -> Result<Response, Error> {
    let passkey = find_passkey(&visit, &id).await?;
    let page = pages::PasskeyName {
        page: visit.page(),
        head: HEAD,
        form: pages::PasskeyName::form(&passkey.name),
        id,
    };
    Ok(visit.show(StatusCode::OK, &page))
}

/// `POST /account/security/passkeys/{passkey}/name`.
pub(super) async fn rename_passkey(
    Path(id): Path<String>,
    Posted { visit, fields }: Posted,
) -> Result<Response, Error> {
    let (id, name) = (parse(&id)?, fields.get("name"));
    factors::rename_passkey(&visit.context, visit.caller()?, id, name).await?;
    Ok(visit.go_saying(HOME, Tone::Good, "The passkey is renamed."))
}

/// `GET /account/security/passkeys/{passkey}/remove`.
pub(super) async fn ask_remove_passkey(
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Response, Error> {
    require_recent_proof(visit.caller()?, visit.context.now())?;
    let passkey = find_passkey(&visit, &id).await?;
    Ok(ask(
        &visit,
        format!("Remove “{}”?", passkey.name),
        "It signs you in no more. Remove it from your device or your password manager too, so that it is not offered.",
        format!("{HOME}/passkeys/{id}/remove"),
        "Remove the passkey",
    ))
}

/// `POST /account/security/passkeys/{passkey}/remove`.
pub(super) async fn remove_passkey(
    Path(id): Path<String>,
    Posted { visit, .. }: Posted,
) -> Result<Response, Error> {
    match factors::remove_passkey(&visit.context, visit.caller()?, parse(&id)?).await {
        Ok(()) => Ok(visit.go_saying(HOME, Tone::Good, "The passkey is removed.")),
        Err(error) if error.code == "last_way_in" => {
            Ok(visit.go_saying(HOME, Tone::Bad, &error.message))
        }
        Err(error) => Err(error),
    }
}

/// `GET /account/security/authenticator`.
pub(super) async fn authenticator(visit: Visit) -> Result<Response, Error> {
    show_authenticator(&visit, StatusCode::OK, None).await
}

/// `POST /account/security/authenticator`.
pub(super) async fn confirm_authenticator(
    Posted { visit, fields }: Posted,
) -> Result<Response, Error> {
    let (context, caller) = (&visit.context, visit.caller()?);
    match factors::confirm_authenticator(context, caller, fields.secret("code")).await {
        Ok(Some(codes)) => Ok(show_codes(
            &visit,
            "The authenticator app is in use.",
            &codes,
        )),
        Ok(None) => Ok(visit.go_saying(HOME, Tone::Good, "The authenticator app is in use.")),
        Err(error) if error.code == factors::WRONG_CODE => {
            let about = errors::field(&error, "code");
            show_authenticator(&visit, error.status, about).await
        }
        Err(error) => Err(error),
    }
}

async fn show_authenticator(
    visit: &Visit,
    status: StatusCode,
    error: Option<String>,
) -> Result<Response, Error> {
    let enrolment = match factors::begin_authenticator(&visit.context, visit.caller()?).await {
        Ok(enrolment) => enrolment,
        Err(error) if error.code == "authenticator_exists" => {
            return Ok(visit.go_saying(HOME, Tone::Note, &error.message));
        }
        Err(error) => return Err(error),
    };
    let picture = QrPicture::of(enrolment.address.expose());
    let page = pages::Authenticator {
        page: visit.page(),
        head: HEAD,
        picture: picture.ok_or_else(Error::not_found)?,
        secret: enrolment.spelled.expose().clone(),
        form: code_form("Six digits.", error, true),
    };
    Ok(visit.show(status, &page))
}

/// `GET /account/security/authenticator/remove`.
pub(super) async fn ask_remove_authenticator(visit: Visit) -> Result<Response, Error> {
    require_recent_proof(visit.caller()?, visit.context.now())?;
    Ok(ask(
        &visit,
        "Remove the authenticator app?".into(),
        "Its codes are asked for no more. Without a passkey your password alone signs you in, and your recovery codes go too.",
        format!("{HOME}/authenticator/remove"),
        "Remove the app",
    ))
}

/// `POST /account/security/authenticator/remove`.
pub(super) async fn remove_authenticator(Posted { visit, .. }: Posted) -> Result<Response, Error> {
    factors::remove_authenticator(&visit.context, visit.caller()?).await?;
    Ok(visit.go_saying(HOME, Tone::Good, "The authenticator app is removed."))
}

/// `GET /account/security/recovery-codes`.
pub(super) async fn ask_new_codes(visit: Visit) -> Result<Response, Error> {
    require_recent_proof(visit.caller()?, visit.context.now())?;
    let page = pages::Confirm {
        page: visit.page(),
        title: "Make new recovery codes?".into(),
        text: vec!["The codes that you have kept so far work no more.".into()],
        action: format!("{HOME}/recovery-codes"),
        hidden: vec![],
        field: None,
        button: "Make new codes".into(),
        destroys: false,
        back: HOME.into(),
    };
    Ok(visit.show(StatusCode::OK, &page))
}

/// `POST /account/security/recovery-codes`.
pub(super) async fn new_codes(Posted { visit, .. }: Posted) -> Result<Response, Error> {
    let codes = factors::new_recovery_codes(&visit.context, visit.caller()?).await?;
    Ok(show_codes(&visit, "The old codes work no more.", &codes))
}

fn show_codes(visit: &Visit, done: &str, codes: &factors::RecoveryCodes) -> Response {
    let page = pages::RecoveryCodes {
        page: visit.page(),
        head: HEAD,
        done: done.to_owned(),
        codes: codes.0.iter().map(|code| code.expose().clone()).collect(),
    };
    visit.show(StatusCode::OK, &page)
}

fn ask(visit: &Visit, title: String, text: &str, action: String, button: &str) -> Response {
    let page = pages::Confirm {
        page: visit.page(),
        title,
        text: vec![text.to_owned()],
        action,
        hidden: vec![],
        field: None,
        button: button.to_owned(),
        destroys: true,
        back: HOME.into(),
    };
    visit.show(StatusCode::OK, &page)
}

async fn find_passkey(visit: &Visit, id: &str) -> Result<accounts::Passkey, Error> {
    let id = parse(id)?;
    let protection = factors::protection(&visit.context, visit.caller()?).await?;
    let mut passkeys = protection.passkeys.into_iter();
    passkeys
        .find(|passkey| passkey.id == id)
        .ok_or_else(Error::not_found)
}

fn parse(id: &str) -> Result<PasskeyId, Error> {
    id.parse().map_err(|_| Error::not_found())
}
