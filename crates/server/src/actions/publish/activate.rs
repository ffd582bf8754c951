//! From a built release to a serving one: start it beside the old one, verify it, move traffic.

use std::{sync::Arc, time::Duration};

use apps::{App, ReleaseState};
use ids::AppId;
use protocol::publish::Stage;
use runtime::{
    AppLimits, AppRuntime as _, Entry, Environment, EnvironmentError, EnvironmentSpec, Instance,
    InstanceSpec, StartError,
};
use secret::SecretString;
use serde_json::json;
use storage::EventKind;

use super::{Origin, Plan, Report, StageFailure, verify};
use crate::{Change, Context, Error};

/// How long a replaced process may finish what it has begun.
pub(crate) const DRAIN: Duration = Duration::from_secs(20);

/// Why a release could not be made to serve. The one that served before still does.
#[derive(Debug, thiserror::Error)]
pub enum ActivateError {
    /// It has no build any more, or never had one.
    #[error("v{0} has no build to start; publish it again")]
    NoBuild(u32),
    /// The environment could not be prepared.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// The process did not come up.
    #[error(transparent)]
    Start(#[from] StartError),
    /// It runs, but the gate is not in front of it.
    #[error("the gate could not be put in front of the app, so it was not made live")]
    Ungated,
    /// It runs, but does not answer as it should.
    #[error("the app started but {reason}")]
    Verify {
        /// What was expected and what came.
        reason: String,
        /// The last lines of its log.
        log: Vec<String>,
    },
    /// The records could not be read or changed.
    #[error("{}", .0.message)]
    Records(Error),
}

impl ActivateError {
    /// The failure as a stage of a publish reports it.
    pub(crate) fn into_failure(self) -> StageFailure {
        let message = self.to_string();
        let (stage, code, log) = match self {
            Self::Environment(_) => (Stage::Build, 4, Vec::new()),
            Self::Start(error) => (Stage::Start, 5, error.log_tail().to_vec()),
            Self::Ungated => (Stage::Verify, 5, Vec::new()),
            Self::Verify { log, .. } => (Stage::Verify, 5, log),
            Self::NoBuild(_) | Self::Records(_) => (Stage::Start, 1, Vec::new()),
        };
        StageFailure {
            stage,
            message,
            code,
            log,
        }
    }
}

/// Finds or builds the environment of a plan.
pub(crate) async fn environment(
    context: &Context,
    plan: &Plan,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<Environment, EnvironmentError> {
    let spec = EnvironmentSpec::constrained(
        plan.python.clone(),
        plan.requirements.clone(),
        plan.constraints.clone(),
    );
    let limit = context.config.apps.build_timeout.duration();
    let preparing = context.hosting().environments.prepare(&spec, progress);
    match tokio::time::timeout(limit, preparing).await {
        Ok(prepared) => prepared,
        Err(_) => Err(EnvironmentError::TimedOut {
            seconds: limit.as_secs(),
        }),
    }
}

/// Starts a release and verifies it; it does not serve yet. One that fails is stopped again.
pub(crate) async fn start_and_verify(
    context: &Context,
    app: &App,
    version: u32,
    plan: &Plan,
    environment: &Environment,
    report: &mut Report,
) -> Result<Arc<Instance>, ActivateError> {
    let origin = Origin::from_diff(&plan.diff);
    let instance = context
        .hosting()
        .runtime
        .start(spec(context, app, version, plan, environment))
        .await
        .map_err(|error| ActivateError::Start(in_own_lines(error, &origin)))?;
    report.ok(Stage::Start, format!("v{version} started"));
    report.started(Stage::Verify, "probing it");
    match verify::verify(context, app, &instance).await {
        Ok(None) => Ok(instance),
        Ok(Some(warning)) => {
            let log = translated(&verify::log_tail(&instance), &origin);
            report.warning(Stage::Verify, warning, &log);
            Ok(instance)
        }
        Err(error) => {
            instance.stop(Duration::from_secs(1)).await;
            Err(match error {
                ActivateError::Verify { reason, log } => ActivateError::Verify {
                    reason,
                    log: translated(&log, &origin),
                },
                other => other,
            })
        }
    }
}

/// A failed start whose log names the lines of the person's own files.
fn in_own_lines(mut error: StartError, origin: &Origin) -> StartError {
    if let StartError::Ended { log_tail, .. } | StartError::TimedOut { log_tail, .. } = &mut error {
        *log_tail = translated(log_tail, origin);
    }
    error
}

fn translated(log: &[String], origin: &Origin) -> Vec<String> {
    log.iter().map(|line| origin.translate(line)).collect()
}

fn spec(
    context: &Context,
    app: &App,
    version: u32,
    plan: &Plan,
    environment: &Environment,
) -> InstanceSpec {
    let folder = context.hosting().release(app.id, version);
    let limits = &context.config.apps;
    InstanceSpec {
        app: app.id,
        version,
        tree: folder.tree(),
        environment: environment.clone(),
        entry: Entry {
            module: plan.start.module.clone(),
            attribute: plan.start.attribute.clone(),
            factory: plan.start.factory,
            app_dir: plan.start.app_dir.clone().unwrap_or_default().into(),
        },
        env: variables(context, app),
        limits: AppLimits {
            memory_bytes: limits.memory_mib.get() << 20,
            home_bytes: limits.home_mib.get() << 20,
            processes: limits.processes.get(),
            open_files: limits.open_files.get(),
            start_timeout: limits.start_timeout.duration(),
            ..AppLimits::default()
        },
        home: folder.home(),
        data_socket: Some(context.hosting().data_socket.clone()),
        log: folder.run_log(),
        redact: Vec::new(),
    }
}

/// What the files that were dropped into the app read from their environment.
fn variables(context: &Context, app: &App) -> Vec<(String, SecretString)> {
    let keys = &context.master_key;
    let plain = |text: String| SecretString::new(text);
    let variables = [
        ("VESTIBULE_APP_ID", plain(app.id.to_string())),
        ("VESTIBULE_APP_SLUG", plain(app.slug.to_string())),
        ("VESTIBULE_APP_KEY", keys.app_key(app.id)),
        ("VESTIBULE_VIEWER_KEY", keys.viewer_key(app.id).to_hex()),
        ("VESTIBULE_GATEWAY_SECRET", keys.gateway_secret(app.id)),
        ("VESTIBULE_SHELL_URL", plain(context.config.shell_origin())),
        ("VESTIBULE_ISSUER", plain(context.config.shell_origin())),
        (
            "VESTIBULE_APP_URL",
            plain(context.config.app_origin(&app.slug)),
        ),
    ];
    variables
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// Makes a verified instance the one that serves: one transaction, then the routing, then the old one drains.
pub(crate) async fn switch(
    context: &Context,
    app: &App,
    version: u32,
    instance: Arc<Instance>,
) -> Result<Option<u32>, ActivateError> {
    let (id, now) = (app.id, context.now());
    let save = move |tx: &mut Change<'_>| {
        let previous = tx
            .apps()
            .find(id)?
            .ok_or_else(Error::not_found)?
            .live_version;
        tx.releases()
            .update_state(id, version, &ReleaseState::Ready)?;
        tx.releases().set_live(id, version, now)?;
        tx.event_with(EventKind::AppReleased, id, &json!({ "version": version }))?;
        Ok(previous)
    };
    match context.change(save).await {
        Ok(previous) => {
            retire(context.hosting().runtime.switch(instance));
            Ok(previous)
        }
        Err(error) => {
            instance.stop(Duration::from_secs(1)).await;
            Err(ActivateError::Records(error))
        }
    }
}

/// Lets a replaced instance finish its requests, beside everything else.
fn retire(old: Option<Arc<Instance>>) {
    if let Some(old) = old {
        tokio::spawn(async move { old.stop(DRAIN).await });
    }
}

/// Starts, verifies and switches to a release that was built before. Returns the version served until now.
pub async fn activate(
    context: &Context,
    app: &App,
    version: u32,
    report: &mut Report,
) -> Result<Option<u32>, ActivateError> {
    let plan = load_plan(context, app.id, version)
        .await?
        .ok_or(ActivateError::NoBuild(version))?;
    if !context.hosting().release(app.id, version).tree().is_dir() {
        return Err(ActivateError::NoBuild(version));
    }
    let environment = environment(context, &plan, &|_: &str| {}).await?;
    let instance = start_and_verify(context, app, version, &plan, &environment, report).await?;
    switch(context, app, version, instance).await
}

/// The plan of a release that can be started.
async fn load_plan(
    context: &Context,
    app: AppId,
    version: u32,
) -> Result<Option<Plan>, ActivateError> {
    let find = context
        .storage
        .read(move |tx| tx.releases().find(app, version))
        .await;
    let release = find.map_err(|error| ActivateError::Records(error.into()))?;
    Ok(release
        .filter(|release| release.state == ReleaseState::Ready)
        .and_then(|release| Plan::parse(&release.plan)))
}
