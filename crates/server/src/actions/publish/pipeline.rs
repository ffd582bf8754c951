//! The way of an upload: unpack → classify → check → rewrite → build → start → verify → switch.
//!
//! It runs to its end whether or not the publisher keeps listening. A failure at any stage leaves the old release
//! serving and a failed release with its reason in the history.

use std::time::Instant;

use accounts::Account;
use apps::{App, Newcomers, Release, ReleaseState};
use ids::{AppId, GroupId, Slug};
use protocol::publish::Stage;
use pysource::{Classified, Finding, Options, Project};
use serde_json::json;
use storage::{EventKind, Group};

use super::{
    ActivateError, Examined, Plan, PublishOptions, Report, StageFailure, activate,
    activate::environment, examine, source,
};
use crate::{
    Change, Context, Error,
    hosting::{Busy, ReleaseFolder},
    random,
};

/// An archive that has arrived whole.
pub struct Upload {
    /// The file; removed on drop.
    pub file: tempfile::NamedTempFile,
}

impl Upload {
    /// Takes an archive that is in memory.
    pub fn from_bytes(archive: &[u8]) -> std::io::Result<Self> {
        use std::io::Write as _;
        let mut file = tempfile::NamedTempFile::new()?;
        file.write_all(archive)?;
        file.flush()?;
        Ok(Self { file })
    }
}

/// Why a publish was not begun.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// Another publish or rollback of the app is under way.
    #[error("{by} is at work on this app since {since:.0}; wait until that is over")]
    Busy {
        /// The other publisher's username.
        by: String,
        /// When it began.
        since: jiff::Timestamp,
    },
    /// The slug belongs to an app of somebody else.
    #[error("the slug {0} is taken, or was less than 7 days ago; choose another with --slug")]
    Taken(Slug),
    /// The account owns as many apps as it may.
    #[error("you own {0} apps, which is the limit here; delete one first")]
    TooMany(u64),
}

/// Publishes an upload for its owner, reporting each stage. Refusals come back before anything is reported; everything
/// later is reported.
pub async fn publish(
    context: &Context,
    owner: &Account,
    options: PublishOptions,
    upload: Upload,
    report: Report,
) -> Result<impl Future<Output = ()> + Send + use<>, Error> {
    let busy = Busy {
        by: owner.username.clone(),
        since: context.clock.now(),
    };
    // Whose app it is comes first: nobody may learn from a refusal who else is publishing.
    let slug = options.slug.clone();
    let known = context
        .storage
        .read(move |tx| tx.apps().find_by_slug(&slug))
        .await?;
    if known.is_some_and(|app| app.owner != owner.id) {
        return Err(PublishError::Taken(options.slug).into());
    }
    let turn = context
        .hosting()
        .take_turn(&options.slug, busy)
        .map_err(|Busy { by, since }| {
            if by == owner.username || by == Busy::SERVER {
                PublishError::Busy { by, since }
            } else {
                PublishError::Taken(options.slug.clone())
            }
        })?;
    let (app, is_new) = find_or_make_app(context, owner, &options).await?;
    let work = Work {
        context: context.clone(),
        owner: owner.clone(),
        options,
        app,
        is_new,
        report,
    };
    Ok(async move {
        work.run(upload).await;
        drop(turn);
    })
}

async fn find_or_make_app(
    context: &Context,
    owner: &Account,
    options: &PublishOptions,
) -> Result<(App, bool), Error> {
    let now = context.clock.now();
    let (milliseconds, random) = random::id_parts(now);
    let new = App {
        id: AppId::new(milliseconds, random),
        slug: options.slug.clone(),
        name: options.initial_name.clone(),
        owner: owner.id,
        is_public: options.is_public.unwrap_or(false),
        requires_auth: options.requires_auth.unwrap_or(true),
        newcomers: Newcomers::OwnGroup,
        default_group: GroupId::new(milliseconds, random::bytes()),
        live_version: None,
        created_at: now,
        updated_at: now,
    };
    let limit = context.config.apps.per_account.get();
    let make = move |tx: &mut Change<'_>| {
        if let Some(app) = tx.apps().find_by_slug(&new.slug)? {
            return if app.owner == new.owner {
                Ok((app, false))
            } else {
                Err(PublishError::Taken(app.slug).into())
            };
        }
        if tx.apps().list_by_owner(new.owner)?.len() as u64 >= limit {
            return Err(PublishError::TooMany(limit).into());
        }
        match tx.apps().insert(&new) {
            // Whoever deleted an app of this name did so a few days ago.
            Err(storage::Error::Conflict { .. }) => {
                return Err(PublishError::Taken(new.slug.clone()).into());
            }
            inserted => inserted?,
        }
        tx.groups().insert(&Group {
            id: new.default_group,
            app: new.id,
            account: None,
            label: new.slug.to_string(),
            created_at: now,
        })?;
        tx.event(EventKind::AppCreated, new.id)?;
        Ok((new.clone(), true))
    };
    context.change(make).await
}

struct Work {
    context: Context,
    owner: Account,
    options: PublishOptions,
    app: App,
    /// Made by this publish.
    is_new: bool,
    report: Report,
}

/// What a publish came to.
enum End {
    Live { version: u32 },
    Unchanged { version: u32 },
}

impl Work {
    async fn run(mut self, upload: Upload) {
        let begun = Instant::now();
        let outcome = self.stages(upload).await;
        let url = self.context.config.app_origin(&self.app.slug);
        match outcome {
            Ok(End::Live { version }) => {
                let seconds = begun.elapsed().as_secs_f64();
                let data = json!({ "url": url, "version": version, "seconds": seconds, "unchanged": false });
                self.report
                    .done(format!("v{version} is live at {url}"), data);
            }
            Ok(End::Unchanged { version }) => {
                let seconds = begun.elapsed().as_secs_f64();
                let data = json!({ "url": url, "version": version, "seconds": seconds, "unchanged": true });
                self.report.done(
                    format!("nothing changed: already live as v{version} at {url}"),
                    data,
                );
            }
            Err(failure) => self.report.failed(&failure, self.app.live_version),
        }
    }

    async fn stages(&mut self, upload: Upload) -> Result<End, StageFailure> {
        let incoming = match self.unpack(upload).await {
            Ok(incoming) => incoming,
            Err(failure) => {
                self.forget_new_app().await;
                return Err(failure);
            }
        };
        if let Some(version) = self.live_with(&incoming.digest).await? {
            self.apply_flags().await?;
            return Ok(End::Unchanged { version });
        }
        let version = self.begin_release(&incoming.digest).await?;
        let folder = self.context.hosting().release(self.app.id, version);
        let outcome = self.build_release(incoming, version, &folder).await;
        if let Err(failure) = &outcome {
            self.fail_release(version, failure).await;
            folder.keep_logs_only().await;
        }
        outcome
    }

    /// Nothing readable ever arrived for a new app: it was never there.
    async fn forget_new_app(&self) {
        if !self.is_new {
            return;
        }
        let id = self.app.id;
        let forget = move |tx: &mut Change<'_>| -> Result<(), Error> {
            // Deleted long ago, so that its slug is free at once.
            let long_ago = jiff::Timestamp::UNIX_EPOCH;
            tx.apps().delete(id, long_ago)?;
            tx.apps()
                .purge_deleted(long_ago + jiff::SignedDuration::from_millis(1), 100)?;
            tx.event(EventKind::AppDeleted, id)
        };
        if let Err(error) = self.context.change(forget).await {
            tracing::warn!(error = %error.message, app = %id, "an app without an upload could not be taken away");
        }
    }

    async fn build_release(
        &mut self,
        incoming: Incoming,
        version: u32,
        folder: &ReleaseFolder,
    ) -> Result<End, StageFailure> {
        let moved = folder.clone();
        blocking(Stage::Upload, move || {
            // A release of this number cannot exist; what is there is left from a server that was killed.
            drop(std::fs::remove_dir_all(&moved.0));
            std::fs::create_dir_all(&moved.0)?;
            std::fs::rename(incoming.folder.path().join("source"), moved.source())
        })
        .await?;
        self.report.log_to(&folder.build_log());
        let source = folder.source();
        let project = blocking(Stage::Upload, move || source::read(&source)).await?;
        let (project, classified, plan) = self.examine(project, folder).await?;
        self.report
            .skipped(Stage::Config, "no configuration is needed");
        self.save_plan(version, &plan).await?;
        let environment = self.build_environment(&plan).await?;

        self.report.started(
            Stage::Start,
            match self.app.live_version {
                Some(live) => format!("starting v{version} beside v{live}"),
                None => format!("starting v{version}"),
            },
        );
        let mut plan = plan;
        let mut attempt = activate::start_and_verify(
            &self.context,
            &self.app,
            version,
            &plan,
            &environment,
            &mut self.report,
        )
        .await;
        if matches!(attempt, Err(ActivateError::Ungated)) && !plan.wrapped {
            // The source could not be wired in a way that holds; put the gate around the object that is served.
            self.report
                .progress(Stage::Verify, "the gate is put around the app instead");
            plan = self.wrap(&project, &classified, plan, folder).await?;
            self.save_plan(version, &plan).await?;
            attempt = activate::start_and_verify(
                &self.context,
                &self.app,
                version,
                &plan,
                &environment,
                &mut self.report,
            )
            .await;
        }
        let instance = attempt.map_err(ActivateError::into_failure)?;
        self.report.ok(
            Stage::Verify,
            "it answers, and the gate is closed to strangers",
        );

        self.report.started(Stage::Switch, "moving traffic");
        self.apply_flags().await?;
        activate::switch(&self.context, &self.app, version, instance)
            .await
            .map_err(|error| failure(Stage::Switch, 1, error.to_string()))?;
        self.prune().await;
        self.report.ok(Stage::Switch, format!("v{version} serves"));
        Ok(End::Live { version })
    }

    async fn unpack(&mut self, upload: Upload) -> Result<Incoming, StageFailure> {
        self.report.started(Stage::Upload, "unpacking");
        let parent = self.context.hosting().incoming();
        let limits = self.context.config.apps.bundle_limits();
        let unpacked = blocking(Stage::Upload, move || {
            std::fs::create_dir_all(&parent)?;
            let folder = tempfile::Builder::new()
                .prefix("upload-")
                .tempdir_in(&parent)?;
            let reader = std::io::BufReader::new(upload.file.reopen()?);
            let outcome = bundle::unpack(reader, &folder.path().join("source"), &limits);
            Ok(outcome.map(|unpacked| (folder, unpacked)))
        })
        .await?;
        // What is wrong with an archive is for its sender to mend: a finding, not an internal error.
        let (folder, unpacked) =
            unpacked.map_err(|error| failure(Stage::Upload, 3, error.to_string()))?;
        self.report.ok(
            Stage::Upload,
            format!(
                "{} files, {} kB",
                unpacked.files,
                unpacked.bytes.div_ceil(1000)
            ),
        );
        Ok(Incoming {
            folder,
            digest: unpacked.digest,
        })
    }

    /// Classify, check, rewrite: off the async threads, since a large project takes a while.
    async fn examine(
        &mut self,
        project: Project,
        folder: &ReleaseFolder,
    ) -> Result<(Project, Classified, Plan), StageFailure> {
        self.report.started(Stage::Classify, "looking for the app");
        let options = Options {
            entry: self.options.entry.clone(),
            ..Options::default()
        };
        let (project, examined) = blocking(Stage::Classify, move || {
            let examined = examine(&project, &options);
            Ok((project, examined))
        })
        .await?;
        let Examined {
            classified,
            rewritten,
            dependencies,
            findings,
        } = examined.map_err(|findings| self.refuse(Stage::Classify, &findings))?;
        let kind = if classified.factory {
            "FastAPI factory"
        } else {
            "FastAPI app"
        };
        self.report.ok(
            Stage::Classify,
            format!("{kind} {}", classified.start().target()),
        );

        self.report.started(Stage::Check, "checking the source");
        if findings.iter().any(Finding::is_error) {
            return Err(self.refuse(Stage::Check, &findings));
        }
        for finding in &findings {
            self.report.finding(Stage::Check, finding);
        }
        self.report.ok(
            Stage::Check,
            match findings.len() {
                0 => "nothing found".to_owned(),
                1 => "1 finding".to_owned(),
                count => format!("{count} findings"),
            },
        );

        self.report
            .started(Stage::Rewrite, "wiring the gate into a copy");
        let (source, tree) = (folder.source(), folder.tree());
        let files = rewritten.files;
        blocking(Stage::Rewrite, move || {
            source::write_tree(&source, &tree, &files)
        })
        .await?;
        let how = if rewritten.wrapped {
            "the gate is put around the app"
        } else {
            "the gate is wired in"
        };
        self.report.ok(Stage::Rewrite, how);
        let plan = Plan {
            start: rewritten.start,
            wrapped: rewritten.wrapped,
            findings,
            diff: rewritten.diff,
            python: dependencies.python.map(|request| request.specifier),
            requirements: dependencies.requirements,
            constraints: dependencies.constraints,
        };
        Ok((project, classified, plan))
    }

    async fn build_environment(
        &mut self,
        plan: &Plan,
    ) -> Result<runtime::Environment, StageFailure> {
        self.report
            .started(Stage::Build, "preparing the environment");
        let begun = Instant::now();
        // The builder speaks from its own task; what it says is passed on while it works.
        let (lines, mut spoken) = tokio::sync::mpsc::unbounded_channel();
        let context = self.context.clone();
        let wanted = plan.clone();
        let building = async move {
            environment(&context, &wanted, &move |line: &str| {
                drop(lines.send(line.to_owned()));
            })
            .await
        };
        tokio::pin!(building);
        let built = loop {
            tokio::select! {
                Some(line) = spoken.recv() => self.report.progress(Stage::Build, line),
                built = &mut building => break built,
            }
        };
        let environment = built.map_err(|error| {
            let mut failed = failure(Stage::Build, 4, error.to_string());
            failed
                .message
                .truncate(failed.message.floor_char_boundary(4000));
            failed
        })?;
        let how = if begun.elapsed().as_millis() < 200 {
            "ready, unchanged"
        } else {
            "ready"
        };
        self.report.ok(
            Stage::Build,
            format!("Python {} {how}", environment.python_version),
        );
        Ok(environment)
    }

    async fn wrap(
        &mut self,
        project: &Project,
        classified: &Classified,
        plan: Plan,
        folder: &ReleaseFolder,
    ) -> Result<Plan, StageFailure> {
        let rewritten = pysource::wrap_entry(project, classified, pysource::DROPPED);
        let (source, tree) = (folder.source(), folder.tree());
        let files = rewritten.files;
        blocking(Stage::Rewrite, move || {
            source::write_tree(&source, &tree, &files)
        })
        .await?;
        Ok(Plan {
            start: rewritten.start,
            wrapped: true,
            diff: rewritten.diff,
            ..plan
        })
    }

    /// Reports findings and makes the failure that stops the publish.
    fn refuse(&mut self, stage: Stage, findings: &[Finding]) -> StageFailure {
        for finding in findings {
            self.report.finding(stage, finding);
        }
        let errors = findings.iter().filter(|finding| finding.is_error()).count();
        failure(
            stage,
            3,
            match errors {
                1 => "1 error to mend in the source; nothing was changed".to_owned(),
                _ => format!("{errors} errors to mend in the source; nothing was changed"),
            },
        )
    }

    /// The live release's version, when it was made from an equal tree in the same way.
    async fn live_with(&self, digest: &str) -> Result<Option<u32>, StageFailure> {
        let Some(live) = self
            .app
            .live_version
            .filter(|_| !self.options.force && self.options.entry.is_none())
        else {
            return Ok(None);
        };
        let app = self.app.id;
        let release = self
            .context
            .storage
            .read(move |tx| tx.releases().find(app, live))
            .await
            .map_err(|error| stored(Stage::Upload, &error))?;
        let running = self.context.hosting().is_serving(app);
        Ok(release
            .filter(|release| running && release.source_digest == digest)
            .map(|release| release.version))
    }

    async fn begin_release(&self, digest: &str) -> Result<u32, StageFailure> {
        let release = Release {
            app: self.app.id,
            version: 0,
            state: ReleaseState::Publishing,
            source_digest: digest.to_owned(),
            plan: String::new(),
            message: self.options.message.clone(),
            created_by: self.owner.id,
            created_at: self.context.clock.now(),
            activated_at: None,
        };
        let insert = move |tx: &mut storage::Tx| tx.releases().insert(&release);
        self.context
            .storage
            .write(insert)
            .await
            .map_err(|error| stored(Stage::Upload, &error))
    }

    async fn save_plan(&self, version: u32, plan: &Plan) -> Result<(), StageFailure> {
        let (app, text) = (self.app.id, plan.to_text());
        let update = move |tx: &mut storage::Tx| tx.releases().update_plan(app, version, &text);
        self.context
            .storage
            .write(update)
            .await
            .map_err(|error| stored(Stage::Rewrite, &error))
    }

    async fn fail_release(&self, version: u32, failure: &StageFailure) {
        let app = self.app.id;
        let state = ReleaseState::Failed {
            stage: format!("{:?}", failure.stage).to_lowercase(),
            message: failure.message.clone(),
        };
        let update = move |tx: &mut storage::Tx| tx.releases().update_state(app, version, &state);
        if let Err(error) = self.context.storage.write(update).await {
            tracing::error!(%error, %app, version, "a failed publish could not be noted");
        }
    }

    /// Applies the flags and the name that were asked for; they act only once the release is good.
    async fn apply_flags(&mut self) -> Result<(), StageFailure> {
        let (id, now) = (self.app.id, self.context.clock.now());
        let options = self.options.clone();
        let update = move |tx: &mut Change<'_>| {
            let mut app = tx.apps().find(id)?.ok_or_else(Error::not_found)?;
            let before = app.clone();
            app.is_public = options.is_public.unwrap_or(app.is_public);
            app.requires_auth = options.requires_auth.unwrap_or(app.requires_auth);
            app.name = options.name.clone().unwrap_or(app.name);
            if app != before {
                app.updated_at = now;
                tx.apps().update(&app)?;
                tx.event(EventKind::AppAccessChanged, id)?;
            }
            Ok(app)
        };
        self.app = self
            .context
            .change(update)
            .await
            .map_err(|error| failure(Stage::Switch, 1, error.message.into_owned()))?;
        Ok(())
    }

    /// Removes the files of releases beyond those kept for rollback. What cannot be removed now is tried next time.
    async fn prune(&self) {
        let (app, keep) = (self.app.id, self.context.config.apps.kept_releases.size());
        let choose = move |tx: &mut storage::Tx| -> Result<Vec<u32>, storage::Error> {
            let live = tx.apps().find(app)?.and_then(|app| app.live_version);
            let beyond = apps::outdated(&tx.releases().list(app)?, live, keep);
            for version in &beyond {
                tx.releases()
                    .update_state(app, *version, &ReleaseState::Pruned)?;
            }
            Ok(beyond)
        };
        let pruned = match self.context.storage.write(choose).await {
            Ok(pruned) => pruned,
            Err(error) => return tracing::warn!(%error, %app, "old releases could not be pruned"),
        };
        for version in pruned {
            self.context
                .hosting()
                .release(app, version)
                .keep_logs_only()
                .await;
        }
    }
}

struct Incoming {
    folder: tempfile::TempDir,
    digest: String,
}

fn failure(stage: Stage, code: u8, message: impl Into<String>) -> StageFailure {
    StageFailure {
        stage,
        message: message.into(),
        code,
        log: Vec::new(),
    }
}

/// A database that failed in the middle of a publish: logged here, told in general terms.
fn stored(stage: Stage, error: &storage::Error) -> StageFailure {
    tracing::error!(%error, "publishing failed at the database");
    failure(stage, 1, Error::internal(error).message.into_owned())
}

/// Runs work that blocks (files, parsing) off the async threads.
async fn blocking<T: Send + 'static>(
    stage: Stage,
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, StageFailure> {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => {
            tracing::error!(%error, ?stage, "publishing failed at the disk");
            Err(failure(
                stage,
                1,
                format!("the server could not work with its disk: {error}"),
            ))
        }
        Err(panic) => {
            tracing::error!(%panic, ?stage, "publishing panicked");
            Err(failure(
                stage,
                1,
                "the server made a mistake; please report it with the request id",
            ))
        }
    }
}
