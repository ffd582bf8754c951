//! Prometheus metrics: one recorder for the process, rendered on the admin listener.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, OnceLock, PoisonError, RwLock},
    time::Duration,
};

use metrics::{Counter, Histogram, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;

/// Seconds that requests and password checks take.
const SECONDS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
/// Bytes of bodies.
const BYTES: &[f64] = &[
    256.0,
    1024.0,
    4096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    16_777_216.0,
];

/// Begins to record; later calls give the same recorder. `None` when somebody else's recorder is in place.
pub(crate) fn install() -> Option<&'static PrometheusHandle> {
    static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    let install = || {
        let handle = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), SECONDS)
            .and_then(|builder| {
                builder.set_buckets_for_metric(Matcher::Suffix("_bytes".into()), BYTES)
            })
            .and_then(PrometheusBuilder::install_recorder)
            .inspect_err(|error| tracing::warn!(%error, "metrics are off"))
            .ok()?;
        describe();
        Some(handle)
    };
    HANDLE.get_or_init(install).as_ref()
}

/// How often samples become sums.
const UPKEEP_PAUSE: Duration = Duration::from_secs(5);

/// Sums up samples for as long as the server runs: they pile up in memory until then, whether somebody scrapes or not.
pub(crate) async fn keep_summed(stopping: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(UPKEEP_PAUSE) => {}
            () = stopping.cancelled() => return,
        }
        if let Some(handle) = install() {
            handle.run_upkeep();
        }
    }
}

/// What is counted of one route. Looking a metric up by its labels costs more than many an answer, so each is looked up
/// once and kept: there are as many as routes, methods and statuses, all of which we choose.
struct RouteMetrics {
    seconds: Histogram,
    bytes: Histogram,
    answers: RwLock<HashMap<(&'static str, u16), Counter>>,
}

static ROUTES: LazyLock<RwLock<HashMap<String, Arc<RouteMetrics>>>> =
    LazyLock::new(RwLock::default);

/// Counts an answer. `route` and `method` are labels, never outside text; `bytes` is the body's length where it is known.
pub(crate) fn answered(
    route: &str,
    method: &'static str,
    status: u16,
    elapsed: Duration,
    bytes: Option<u64>,
) {
    let kept = ROUTES
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .get(route)
        .cloned();
    let metrics = kept.unwrap_or_else(|| {
        let mut routes = ROUTES.write().unwrap_or_else(PoisonError::into_inner);
        let made = || Arc::new(RouteMetrics::of(route));
        routes.entry(route.to_owned()).or_insert_with(made).clone()
    });
    metrics.count(route, method, status);
    metrics.seconds.record(elapsed.as_secs_f64());
    if let Some(bytes) = bytes {
        #[expect(
            clippy::cast_precision_loss,
            reason = "bodies are far smaller than 2^52 bytes"
        )]
        metrics.bytes.record(bytes as f64);
    }
}

impl RouteMetrics {
    fn of(route: &str) -> Self {
        Self {
            seconds: metrics::histogram!("http_request_duration_seconds", "route" => route.to_owned()),
            bytes: metrics::histogram!("http_response_size_bytes", "route" => route.to_owned()),
            answers: RwLock::default(),
        }
    }

    fn count(&self, route: &str, method: &'static str, status: u16) {
        let key = (method, status);
        let kept = self.answers.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(counter) = kept.get(&key) {
            return counter.increment(1);
        }
        drop(kept);
        let mut answers = self.answers.write().unwrap_or_else(PoisonError::into_inner);
        let made = || {
            metrics::counter!(
                "http_requests_total", "method" => method, "route" => route.to_owned(), "status" => status.to_string()
            )
        };
        answers.entry(key).or_insert_with(made).increment(1);
    }
}

fn describe() {
    describe_counter!(
        "http_requests_total",
        "Requests answered, by route template, method and status."
    );
    describe_histogram!(
        "http_request_duration_seconds",
        "Time from request head to response head."
    );
    describe_histogram!(
        "http_response_size_bytes",
        "Bodies of known length that were answered."
    );
    describe_gauge!("hash_queue_length", "Password checks that wait or run.");
    describe_counter!(
        "hash_refused_total",
        "Password checks refused because the queue was full."
    );
    describe_histogram!(
        "hash_duration_seconds",
        "Time one password check takes, waiting excluded."
    );
    describe_gauge!(
        "event_tail_lag_events",
        "Events written but not yet applied to this server's caches."
    );
    describe_gauge!(
        "event_tail_age_seconds",
        "Time since this server's caches were last known to be current."
    );
    describe_gauge!("mail_outbox_messages", "Messages that wait to be sent.");
    describe_counter!(
        "mail_sent_total",
        "Messages that the mail server has taken."
    );
    describe_counter!("mail_failed_total", "Tries to send a message that failed.");
    describe_counter!(
        "mail_dropped_total",
        "Messages given up: refused for good, or their time had passed."
    );
    describe_gauge!(
        "event_streams",
        "Services that listen to the event stream on this server."
    );
    describe_counter!(
        "event_streams_cut_off_total",
        "Event streams ended because the service did not read."
    );
    describe_gauge!(
        "redis_publish_lag_events",
        "Events that this server has heard of but not yet published on the Redis bus."
    );
    describe_counter!("redis_published_total", "Messages that Redis took.");
    describe_counter!(
        "redis_publish_failures_total",
        "Attempts to publish that failed; what was to be published is tried again."
    );
    describe_counter!(
        "redis_missed_events_total",
        "Events that were pruned from the log before Redis took them."
    );
    describe_gauge!("apps", "Published apps, by state.");
}
