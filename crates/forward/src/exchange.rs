//! One request and the head of its answer on one connection.

use std::{
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{
    HeaderMap, Method, Request, Response, StatusCode, Uri, Version, header, uri::PathAndQuery,
};
use http_body::Body as _;
use hyper::{body::Incoming, client::conn::http1, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    Body, Error, Failure, Limits, RequestBody, Shared, TunnelEnd, Upstream, hop_by_hop,
    incoming::{AbortOnDrop, Lease, Source},
    outgoing::{Outgoing, Upload},
    pool::{Connection, Driven, poll_driven},
    tunnel,
};

/// Takes or opens a connection and sends the request on it.
pub(crate) async fn forward<B: RequestBody>(
    shared: &Arc<Shared<B>>,
    upstream: &Upstream,
    mut request: Request<B>,
) -> Result<Response<Body<B>>, Failure<B>> {
    check(&request, &shared.limits)?;
    let repeatable = request.method().is_idempotent() && request.body().is_end_stream();
    if let Some(connection) = shared.pool.take(upstream, shared.limits.keep_alive) {
        match Exchange::new(shared, upstream, request, repeatable)
            .run(connection)
            .await?
        {
            Outcome::Answered(answer) => return Ok(answer),
            Outcome::Unsent(unsent) => request = *unsent,
        }
    }
    let connection = match connect(shared, upstream).await {
        Ok(connection) => connection,
        Err(error) => return Err(Failure::unsent(error, request)),
    };
    match Exchange::new(shared, upstream, request, repeatable)
        .run(connection)
        .await?
    {
        Outcome::Answered(answer) => Ok(answer),
        Outcome::Unsent(unsent) => {
            let cause = "the connection closed at once".into();
            Err(Failure::unsent(
                Error::ResetBeforeHead {
                    repeatable: true,
                    cause,
                },
                *unsent,
            ))
        }
    }
}

/// Refuses what cannot be forwarded without changing its meaning.
fn check<B>(request: &Request<B>, limits: &Limits) -> Result<(), Error> {
    let headers = request.headers();
    if !within(headers, limits) {
        return Err(Error::RequestHead);
    }
    if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
        return Err(Error::Request("the method concerns a single connection"));
    }
    if let Some(coding) = headers.get(header::TRANSFER_ENCODING) {
        // RFC 9112 §6.1: both together are an attempt to be read in two ways.
        if headers.contains_key(header::CONTENT_LENGTH) {
            return Err(Error::Request(
                "Content-Length and Transfer-Encoding together",
            ));
        }
        if !coding.as_bytes().eq_ignore_ascii_case(b"chunked")
            || several(headers, &header::TRANSFER_ENCODING)
        {
            return Err(Error::Request("a transfer coding other than chunked"));
        }
    }
    if several(headers, &header::CONTENT_LENGTH) {
        return Err(Error::Request("several Content-Length fields"));
    }
    if several(headers, &header::HOST) {
        return Err(Error::Request("several Host fields"));
    }
    Ok(())
}

fn several(headers: &HeaderMap, name: &header::HeaderName) -> bool {
    headers.get_all(name).iter().nth(1).is_some()
}

fn within(headers: &HeaderMap, limits: &Limits) -> bool {
    headers.len() <= limits.header_fields
        && headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len())
            .sum::<usize>()
            <= limits.header_bytes
}

async fn connect<B: RequestBody>(
    shared: &Shared<B>,
    upstream: &Upstream,
) -> Result<Box<Connection<B>>, Error> {
    let limits = &shared.limits;
    let stream = timeout(limits.connect, upstream.connect())
        .await
        .unwrap_or_else(|elapsed| Err(elapsed.into()))
        .map_err(|cause| Error::Connect {
            upstream: upstream.clone(),
            cause,
        })?;
    // The buffer bounds the head as well; the exact limit is applied once the head is read.
    let mut builder = http1::Builder::new();
    builder.max_buf_size((2 * limits.header_bytes).max(128 * 1024));
    // With the number that is hyper's own limit anyway, parsing needs no table made for each answer.
    if limits.header_fields != 100 {
        builder.max_headers(limits.header_fields);
    }
    let (sender, driver) = builder
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| Error::ResetBeforeHead {
            repeatable: true,
            cause: error.into(),
        })?;
    let timer = Box::pin(tokio::time::sleep(limits.head));
    Ok(Box::new(Connection {
        sender,
        driver,
        timer,
    }))
}

/// A request made ready for the upstream.
struct Exchange<'a, B: RequestBody> {
    shared: &'a Arc<Shared<B>>,
    upstream: &'a Upstream,
    request: Request<Outgoing<B>>,
    upload: Option<Arc<Upload>>,
    /// The downstream's side of a WebSocket handshake.
    websocket: Option<OnUpgrade>,
    repeatable: bool,
}

#[expect(
    clippy::large_enum_variant,
    reason = "the large one is the usual one, and moves once"
)]
enum Outcome<B: RequestBody> {
    Answered(Response<Body<B>>),
    Unsent(Box<Request<B>>),
}

/// Why no answer came.
enum Missing<B> {
    Timeout,
    Failed(hyper::Error, Option<Box<Request<B>>>),
    Closed,
}

impl<'a, B: RequestBody> Exchange<'a, B> {
    fn new(
        shared: &'a Arc<Shared<B>>,
        upstream: &'a Upstream,
        request: Request<B>,
        repeatable: bool,
    ) -> Self {
        let (mut parts, body) = request.into_parts();
        let websocket = hop_by_hop::is_websocket(&parts.method, parts.version, &parts.headers)
            .then(|| parts.extensions.remove::<OnUpgrade>())
            .flatten();
        hop_by_hop::clean_request(&parts.method, parts.version, &mut parts.headers);
        if parts.uri.scheme().is_some() || parts.uri.authority().is_some() {
            let path = parts
                .uri
                .path_and_query()
                .cloned()
                .unwrap_or_else(|| PathAndQuery::from_static("/"));
            parts.uri = Uri::from(path);
        }
        parts.version = Version::HTTP_11;
        let waits = parts
            .headers
            .get(header::EXPECT)
            .is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"100-continue"));
        if waits && body.is_end_stream() {
            // Nothing to continue with; the upstream's 100 would be in nobody's interest.
            parts.headers.remove(header::EXPECT);
        }
        let body = Outgoing::new(body, waits.then_some(shared.limits.expect));
        let upload = body.upload().cloned();
        let mut request = Request::from_parts(parts, body);
        if let (true, Some(upload)) = (waits, &upload) {
            let upload = Arc::clone(upload);
            hyper::ext::on_informational(&mut request, move |answer| {
                if answer.status() == StatusCode::CONTINUE {
                    upload.start();
                }
            });
        }
        Self {
            shared,
            upstream,
            request,
            upload,
            websocket,
            repeatable,
        }
    }

    async fn run(self, connection: Box<Connection<B>>) -> Result<Outcome<B>, Error> {
        if self.websocket.is_some() {
            self.handshake(*connection).await
        } else {
            self.exchange(connection).await
        }
    }

    /// Sends a plain request and drives the connection from this task.
    async fn exchange(self, mut connection: Box<Connection<B>>) -> Result<Outcome<B>, Error> {
        let Self {
            shared,
            upstream,
            request,
            upload,
            repeatable,
            ..
        } = self;
        let limits = &shared.limits;
        let answer = {
            let Connection {
                sender,
                driver,
                timer,
            } = &mut *connection;
            let mut answer = pin!(sender.try_send_request(request));
            let mut patience = pin!(Patience::new(
                timer.as_mut(),
                limits.head,
                upload.as_deref()
            ));
            std::future::poll_fn(|cx| {
                let drive = |driver: &mut http1::Connection<_, _>, cx: &mut Context<'_>| {
                    if Pin::new(driver).poll(cx).is_ready() {
                        Driven::Closed
                    } else {
                        Driven::Open
                    }
                };
                match poll_driven(&mut *driver, cx, drive, |cx| answer.as_mut().poll(cx)) {
                    Poll::Ready(Some(Ok(answer))) => Poll::Ready(Ok(answer)),
                    Poll::Ready(Some(Err(mut failed))) => {
                        let request = failed.take_message().map(Box::new);
                        Poll::Ready(Err(Missing::Failed(failed.into_error(), request)))
                    }
                    Poll::Ready(None) => Poll::Ready(Err(Missing::Closed)),
                    Poll::Pending => patience.as_mut().poll(cx).map(|()| Err(Missing::Timeout)),
                }
            })
            .await
        };
        let answer = match answer {
            Ok(answer) => answer,
            Err(missing) => return explain(missing, None, upload.as_deref(), repeatable),
        };
        let lease = Lease {
            shared: Arc::clone(shared),
            upstream: upstream.clone(),
            connection,
            // Servers close a connection on which the app failed, though they announced nothing; a request that follows
            // would be lost.
            reusable: !answer.status().is_server_error(),
        };
        let is_over = upload
            .as_ref()
            .is_none_or(|upload| upload.is_finished() || !upload.is_started());
        let answer = accept(answer, limits)?;
        let body_idle = limits.body_idle;
        let answer = if answer.body().is_end_stream() && is_over {
            lease.release();
            answer.map(|body| Body::new(body, Source::Done, body_idle))
        } else if is_over {
            // A body that was held back and never asked for is not sent any more: the connection closes after the answer.
            answer.map(|body| Body::new(body, Source::Here(lease), body_idle))
        } else {
            // The upload goes on while the answer streams, at its own pace.
            let Lease { connection, .. } = lease;
            let Connection { sender, driver, .. } = *connection;
            let task = tokio::spawn(async move {
                let _ = driver.await;
                drop(sender);
            });
            answer.map(|body| {
                Body::new(
                    body,
                    Source::Task {
                        _task: AbortOnDrop(task.abort_handle()),
                    },
                    body_idle,
                )
            })
        };
        Ok(Outcome::Answered(answer))
    }

    /// Sends a WebSocket handshake, and splices the connections when it is accepted.
    async fn handshake(self, connection: Connection<B>) -> Result<Outcome<B>, Error> {
        let Self {
            shared,
            request,
            upload,
            websocket,
            repeatable,
            ..
        } = self;
        let limits = &shared.limits;
        let end = request.extensions().get::<TunnelEnd>().cloned();
        let Connection {
            mut sender, driver, ..
        } = connection;
        let task =
            AbortOnDrop(tokio::spawn(async move { driver.with_upgrades().await }).abort_handle());
        let answer = match timeout(limits.head, sender.try_send_request(request)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(mut failed)) => {
                let request = failed.take_message().map(Box::new);
                return explain(
                    Missing::Failed(failed.into_error(), request),
                    websocket,
                    upload.as_deref(),
                    repeatable,
                );
            }
            Err(_elapsed) => return Err(Error::HeadTimeout),
        };
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            let idle = limits.body_idle;
            let answer = accept(answer, limits)?;
            return Ok(Outcome::Answered(
                answer.map(|body| Body::new(body, Source::Task { _task: task }, idle)),
            ));
        }
        let mut answer = answer;
        let protocol = answer.headers().get(header::UPGRADE);
        if !protocol.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket")) {
            return Err(Error::Answer("an upgrade to another protocol".into()));
        }
        if !within(answer.headers(), limits) {
            return Err(Error::Answer("header fields too many or too large".into()));
        }
        let from_upstream = hyper::upgrade::on(&mut answer);
        hop_by_hop::clean_answer(answer.headers_mut());
        answer.headers_mut().remove(header::CONTENT_LENGTH);
        answer.headers_mut().insert(
            header::CONNECTION,
            header::HeaderValue::from_static("upgrade"),
        );
        answer.headers_mut().insert(
            header::UPGRADE,
            header::HeaderValue::from_static("websocket"),
        );
        if let Some(from_downstream) = websocket {
            let idle = limits.tunnel_idle;
            tokio::spawn(async move {
                // Until the upgrade is done the connection's task is needed; the tunnel outlives it.
                let _task = task;
                let TunnelEnd(end) = end.unwrap_or_else(|| TunnelEnd(CancellationToken::new()));
                let _told = end.clone().drop_guard();
                tokio::select! {
                    () = tunnel::splice(from_downstream, from_upstream, idle) => {}
                    () = end.cancelled() => {}
                }
            });
        }
        Ok(Outcome::Answered(
            answer.map(|body| Body::new(body, Source::Done, Duration::ZERO)),
        ))
    }
}

/// Turns the lack of an answer into a retry or an error that names the side.
fn explain<B: RequestBody>(
    missing: Missing<Outgoing<B>>,
    websocket: Option<OnUpgrade>,
    upload: Option<&Upload>,
    repeatable: bool,
) -> Result<Outcome<B>, Error> {
    match missing {
        Missing::Failed(_, Some(request)) => {
            let mut request = request.map(Outgoing::into_inner);
            if let Some(websocket) = websocket {
                request.extensions_mut().insert(websocket);
            }
            Ok(Outcome::Unsent(Box::new(request)))
        }
        Missing::Timeout => Err(Error::HeadTimeout),
        Missing::Failed(error, None) if upload.is_some_and(Upload::is_failed) => {
            Err(Error::Downstream(error.into()))
        }
        Missing::Failed(error, None) if error.is_parse() => Err(Error::Answer(error.into())),
        Missing::Failed(error, None) => Err(Error::ResetBeforeHead {
            repeatable,
            cause: error.into(),
        }),
        Missing::Closed => Err(Error::ResetBeforeHead {
            repeatable,
            cause: "the connection ended".into(),
        }),
    }
}

/// Checks the head of an answer and removes the fields of the upstream's connection.
fn accept(mut answer: Response<Incoming>, limits: &Limits) -> Result<Response<Incoming>, Error> {
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Error::Answer("an upgrade that nobody asked for".into()));
    }
    if !within(answer.headers(), limits) {
        return Err(Error::Answer("header fields too many or too large".into()));
    }
    let headers = answer.headers_mut();
    if headers.contains_key(header::TRANSFER_ENCODING) {
        headers.remove(header::CONTENT_LENGTH);
    }
    hop_by_hop::clean_answer(headers);
    *answer.version_mut() = Version::HTTP_11;
    Ok(answer)
}

/// Waits for the head of an answer, starting anew whenever the request body has moved.
struct Patience<'a> {
    limit: Duration,
    upload: Option<&'a Upload>,
    seen: u64,
    timer: Pin<&'a mut tokio::time::Sleep>,
}

impl<'a> Patience<'a> {
    fn new(
        mut timer: Pin<&'a mut tokio::time::Sleep>,
        limit: Duration,
        upload: Option<&'a Upload>,
    ) -> Self {
        timer.as_mut().reset(Instant::now() + limit);
        Self {
            limit,
            upload,
            seen: 0,
            timer,
        }
    }
}

impl Future for Patience<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        while self.timer.as_mut().poll(cx).is_ready() {
            let now = self.upload.map_or(0, Upload::frames);
            if now == self.seen {
                return Poll::Ready(());
            }
            self.seen = now;
            let deadline = Instant::now() + self.limit;
            self.timer.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}
