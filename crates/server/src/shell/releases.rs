//! The releases of an app: looking into them, rolling back, restarting.

use axum::response::Response;
use http::StatusCode;
use jiff::Timestamp;
use protocol::control::VersionInfo;
use pysource::Severity;

use super::{
    apps::head,
    form::Posted,
    page::Page,
    pages::{self, Finding, LogLine, Stage, StageState, Tab, VersionRow, parse_unified},
    ui::Tone,
    visit::Visit,
};
use crate::{
    Context, Error,
    actions::publish::{self, Plan},
    extract::{OwnedApp, Path},
};

/// Lines of the build log that a failed release shows.
const FAILED_LINES: usize = 60;

/// `GET /apps/{slug}/versions`.
pub(super) async fn versions(visit: Visit, owned: OwnedApp) -> Result<Response, Error> {
    let versions = publish::versions(&visit.context, &owned.app).await?;
    let page = visit.page();
    let page = pages::Versions {
        app: head(&visit.context, &owned.app, Tab::Versions),
        versions: versions
            .into_iter()
            .map(|version| row(&page, version))
            .collect(),
        page,
    };
    Ok(visit.show(StatusCode::OK, &page))
}

/// `GET /apps/{slug}/versions/{version}`.
pub(super) async fn version(
    visit: Visit,
    owned: OwnedApp,
    Path((_, version)): Path<(String, String)>,
) -> Result<Response, Error> {
    let (context, app) = (&visit.context, &owned.app);
    let found = find(context, &owned, &version).await?;
    let plan = publish::plan_of(context, app, found.version).await?;
    let failed = found.state == "failed";
    let log = if failed {
        let mut lines = publish::log(context, app, Some(found.version), true)
            .await?
            .lines;
        lines.drain(..lines.len().saturating_sub(FAILED_LINES));
        lines.into_iter().map(log_line).collect()
    } else {
        Vec::new()
    };
    let page = visit.page();
    let page = pages::Version {
        app: head(context, app, Tab::Versions),
        facts: plan.as_ref().map(facts).unwrap_or_default(),
        stages: stages(&found),
        log,
        findings: plan.as_ref().map(findings).unwrap_or_default(),
        diff: plan
            .map(|plan| parse_unified(&plan.diff))
            .unwrap_or_default(),
        version: row(&page, found),
        page,
    };
    Ok(visit.show(StatusCode::OK, &page))
}

/// `GET /apps/{slug}/versions/{version}/rollback`.
pub(super) async fn ask_rollback(
    visit: Visit,
    owned: OwnedApp,
    Path((slug, version)): Path<(String, String)>,
) -> Result<Response, Error> {
    let found = find(&visit.context, &owned, &version).await?;
    if !found.can_activate {
        let version = Some(found.version);
        publish::check_rollback(&visit.context, &owned.app, version).await?;
    }
    let stays = match owned.app.live_version {
        Some(live) => format!(" Version {live} stays in the list."),
        None => String::new(),
    };
    let page = pages::Confirm {
        page: visit.page(),
        title: format!("Roll back to version {}?", found.version),
        text: vec![
            format!(
                "Version {} is started, checked and served again.{stays}",
                found.version
            ),
            "Data is not rolled back: what people have stored since then stays as it is.".into(),
        ],
        action: format!("/apps/{slug}/versions/{}/rollback", found.version),
        hidden: vec![],
        field: None,
        button: format!("Roll back to version {}", found.version),
        destroys: false,
        back: format!("/apps/{slug}/versions"),
    };
    Ok(visit.show(StatusCode::OK, &page))
}

/// `POST /apps/{slug}/versions/{version}/rollback`.
pub(super) async fn rollback(
    owned: OwnedApp,
    Path((slug, version)): Path<(String, String)>,
    Posted { visit, .. }: Posted,
) -> Result<Response, Error> {
    let version = version.parse().map_err(|_| Error::not_found())?;
    let done = publish::rollback(
        &visit.context,
        &owned.owner.account,
        &owned.app,
        Some(version),
    )
    .await?;
    let says = format!(
        "Version {} is live, after {:.1} seconds.",
        done.version, done.seconds
    );
    Ok(visit.go_saying(&format!("/apps/{slug}/versions"), Tone::Good, &says))
}

/// `POST /apps/{slug}/restart`.
pub(super) async fn restart(
    owned: OwnedApp,
    Path(slug): Path<String>,
    Posted { visit, .. }: Posted,
) -> Result<Response, Error> {
    let done = publish::restart(&visit.context, &owned.owner.account, &owned.app).await?;
    let says = format!(
        "Version {} was started anew, in {:.1} seconds.",
        done.version, done.seconds
    );
    Ok(visit.go_saying(&format!("/apps/{slug}"), Tone::Good, &says))
}

async fn find(context: &Context, owned: &OwnedApp, version: &str) -> Result<VersionInfo, Error> {
    let version: u32 = version.parse().map_err(|_| Error::not_found())?;
    let mut versions = publish::versions(context, &owned.app).await?.into_iter();
    versions
        .find(|info| info.version == version)
        .ok_or_else(Error::not_found)
}

fn row(page: &Page, info: VersionInfo) -> VersionRow {
    VersionRow {
        version: info.version,
        live: info.live,
        publishing: info.state == "publishing",
        pruned: info.state == "pruned",
        failure: info.failure,
        can_activate: info.can_activate,
        by: info.created_by,
        at: page.moment(instant(&info.created_at, page.now)),
        message: info.message,
    }
}

fn facts(plan: &Plan) -> Vec<(&'static str, String)> {
    let mut facts = vec![(
        if plan.start.factory {
            "App factory"
        } else {
            "App object"
        },
        plan.start.target(),
    )];
    if let Some(python) = &plan.python {
        facts.push(("Python", python.clone()));
    }
    let requirements = plan
        .requirements
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty());
    facts.push(("Needs", requirements.collect::<Vec<_>>().join(", ")));
    if plan.wrapped {
        facts.push(("Gate", "around the app, by a generated entry module".into()));
    }
    facts
}

fn findings(plan: &Plan) -> Vec<Finding> {
    let finding = |finding: &pysource::Finding| Finding {
        rule: finding.rule.clone(),
        stops: finding.severity == Severity::Error,
        message: finding.message.clone(),
        place: finding.file.as_ref().map(|file| {
            let numbers = [finding.line, finding.column].into_iter().flatten();
            numbers.fold(file.clone(), |place, number| format!("{place}:{number}"))
        }),
        excerpt: None,
        fix: Some(format!("{} {}", finding.why, finding.fix)),
    };
    plan.findings.iter().map(finding).collect()
}

/// How far a failed publish came, by the stage that its failure names.
fn stages(info: &VersionInfo) -> Vec<Stage> {
    const NAMES: [&str; 9] = [
        "Upload", "Classify", "Check", "Rewrite", "Config", "Build", "Start", "Verify", "Switch",
    ];
    let Some(failed) = info
        .failure
        .as_deref()
        .and_then(|failure| failure.split(':').next())
    else {
        return Vec::new();
    };
    let Some(reached) = NAMES
        .iter()
        .position(|name| name.eq_ignore_ascii_case(failed))
    else {
        return Vec::new();
    };
    let stage = |(index, name): (usize, &&str)| Stage {
        name: (*name).to_owned(),
        state: match index.cmp(&reached) {
            std::cmp::Ordering::Less => StageState::Done,
            std::cmp::Ordering::Equal => StageState::Failed,
            std::cmp::Ordering::Greater => StageState::Ahead,
        },
        detail: String::new(),
    };
    NAMES.iter().enumerate().map(stage).collect()
}

/// A line of the wire as a page shows it.
pub(super) fn log_line(line: protocol::control::LogLine) -> LogLine {
    LogLine {
        at: instant(&line.at, Timestamp::UNIX_EPOCH),
        stream: line.stream,
        level: line.level,
        text: line.text,
    }
}

/// Times on the wire are our own texts; one that cannot be read is a fault that is no reason to fail a page.
fn instant(text: &str, otherwise: Timestamp) -> Timestamp {
    text.parse().unwrap_or(otherwise)
}
