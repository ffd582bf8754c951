//! Calls to the issuer: pooled, bounded in time and size, never redirected.

use std::{error::Error, fmt, io, net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use reqwest::{Client, Method, RequestBuilder, Response, header, redirect};
use serde::Serialize;
use url::{Host, Url};

use crate::{
    Clock, ConfigError, Credential,
    credential::{Authority, TokenNumber},
};

/// How long calls may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until there is a connection, TLS included. Default: 2 s.
    pub connect: Duration,
    /// From the call to the last byte of the answer; of a stream, to the end of its head. Default: 5 s.
    pub whole: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            whole: Duration::from_secs(5),
        }
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// There was no connection, or it was lost before an answer began.
    #[error("the issuer cannot be reached")]
    Unreachable,
    /// There was a connection, but no TLS: the certificate is not trusted, or the other side does not speak it.
    #[error(
        "there is no secure connection to the issuer; check its certificate, the trusted roots and the address"
    )]
    Insecure,
    /// It took too long.
    #[error("the issuer did not answer in time")]
    Timeout,
    /// More than may be read.
    #[error("the issuer's answer is too large")]
    TooLarge,
    /// The issuer does not take our credential, or it does not reach that far (401, 403).
    #[error("the issuer refuses this service's credential")]
    Refused,
    /// Another status than expected.
    #[error("the issuer answered with status {0}")]
    Status(u16),
    /// An answer that broke off.
    #[error("the issuer's answer broke off")]
    Broken,
    /// An answer that is not what was asked for, or a question that cannot be sent.
    #[error("the issuer's answer is not what was asked for")]
    Malformed,
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// The client's one way out. Cheap to clone; clones share connections and the credential.
///
/// Its futures need a tokio runtime. Dropping one ends the call.
#[derive(Clone)]
pub struct Http {
    transport: Transport,
    authority: Option<Arc<Authority>>,
}

impl Http {
    /// A client that calls itself `user_agent` and proves itself by `credential` where a call is private.
    ///
    /// Proxies are taken from the environment (`HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`), but never used for loopback addresses.
    /// TLS trusts what the system trusts; `SSL_CERT_FILE` and `SSL_CERT_DIR` name other roots. Without `tls` no roots are
    /// looked for, and `https` addresses fail.
    pub fn new(
        user_agent: &str,
        timeouts: Timeouts,
        credential: Option<Credential>,
        clock: &Clock,
        tls: bool,
    ) -> Result<Self, ConfigError> {
        let authority = |credential| Arc::new(Authority::new(credential, clock.clone()));
        Ok(Self {
            transport: Transport::new(user_agent, timeouts, tls)?,
            authority: credential.map(authority),
        })
    }

    /// Gets what is public, at most `limit` bytes of it. Whatever the status is, it is an answer.
    pub async fn get(&self, url: &Url, limit: usize) -> Result<Answer, HttpError> {
        // A new key must not hide behind a cache on the way.
        let request = || {
            self.transport
                .bounded(Method::GET, url)
                .header(header::CACHE_CONTROL, "no-cache")
        };
        match read(request(), limit).await {
            Err(HttpError::Unreachable) => read(request(), limit).await,
            outcome => outcome,
        }
    }

    /// Asks something in the service's own name; a question changes nothing, so it is asked once more when the connection
    /// failed, and with a new service token when the issuer did not take the old one. Other statuses are answers.
    ///
    /// # Errors
    /// [`HttpError::Refused`] when the credential is not taken.
    pub async fn ask(
        &self,
        url: &Url,
        question: &impl Serialize,
        limit: usize,
    ) -> Result<Answer, HttpError> {
        let request = || with_json(self.transport.bounded(Method::POST, url), question);
        let response = self.send_private(request).await?;
        // (The time of the request goes on while its body is read.)
        collect(response, limit).await
    }

    /// Opens a stream in the service's own name, with these further headers. How long to wait between two pieces of it is
    /// the reader's business.
    ///
    /// # Errors
    /// Any status but 200 is one: [`HttpError::Refused`] for 401 and 403, else [`HttpError::Status`].
    pub async fn stream(
        &self,
        url: &Url,
        headers: &[(&'static str, &str)],
    ) -> Result<ByteStream, HttpError> {
        let request = || {
            let request = self.transport.request(Method::GET, url);
            Ok(headers.iter().fold(request, |request, (name, value)| {
                request.header(*name, *value)
            }))
        };
        let opened =
            tokio::time::timeout(self.transport.timeouts.whole, self.send_private(request));
        let response = opened.await.map_err(|_| HttpError::Timeout)??;
        match response.status().as_u16() {
            200 => Ok(ByteStream(response)),
            status => Err(HttpError::Status(status)),
        }
    }

    async fn send_private(
        &self,
        request: impl Fn() -> Result<RequestBuilder, HttpError>,
    ) -> Result<Response, HttpError> {
        let mut refused = None;
        let mut tries = 0;
        loop {
            tries += 1;
            let (request, number) = self.authorized(request()?, refused).await?;
            match request.send().await.map_err(|error| reason(&error)) {
                Ok(response) if matches!(response.status().as_u16(), 401 | 403) => {
                    // Another token has no more rights, so only 401 is worth another try.
                    if response.status() == 403 || number.is_none() || refused.is_some() {
                        return Err(HttpError::Refused);
                    }
                    refused = number;
                }
                Err(HttpError::Unreachable) if tries == 1 => {}
                outcome => return outcome,
            }
        }
    }

    async fn authorized(
        &self,
        request: RequestBuilder,
        refused: Option<TokenNumber>,
    ) -> Result<(RequestBuilder, Option<TokenNumber>), HttpError> {
        match &self.authority {
            Some(authority) => authority.authorize(&self.transport, request, refused).await,
            None => Ok((request, None)),
        }
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Http(…)")
    }
}

/// An answer that comes bit by bit.
#[derive(Debug)]
pub struct ByteStream(Response);

impl ByteStream {
    /// The value of `Content-Type`.
    pub fn content_type(&self) -> Option<&str> {
        self.0.headers().get(header::CONTENT_TYPE)?.to_str().ok()
    }

    /// The value of `Content-Encoding`; nothing is decoded.
    pub fn content_encoding(&self) -> Option<&str> {
        self.0
            .headers()
            .get(header::CONTENT_ENCODING)
            .map(|value| value.to_str().unwrap_or("unreadable"))
    }

    /// The next piece; `None` at the end. May be dropped and called again.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, HttpError> {
        self.0.chunk().await.map_err(|error| reason(&error))
    }
}

/// The connections, apart by whether a proxy may stand between.
#[derive(Clone)]
pub(crate) struct Transport {
    loopback: Client,
    remote: Client,
    timeouts: Timeouts,
}

impl Transport {
    fn new(user_agent: &str, timeouts: Timeouts, tls: bool) -> Result<Self, ConfigError> {
        let builder = || {
            let builder = Client::builder()
                .user_agent(user_agent)
                .connect_timeout(timeouts.connect)
                .redirect(redirect::Policy::none())
                .pool_idle_timeout(Duration::from_mins(1))
                .tcp_nodelay(true);
            // Looking for roots takes a while, and fails on a system without any.
            if tls {
                builder
            } else {
                builder.tls_certs_only([])
            }
        };
        let build = |builder: reqwest::ClientBuilder| {
            builder
                .build()
                .map_err(|error| ConfigError::Http(error.to_string()))
        };
        Ok(Self {
            loopback: build(builder().no_proxy())?,
            remote: build(builder())?,
            timeouts,
        })
    }

    fn request(&self, method: Method, url: &Url) -> RequestBuilder {
        let client = if is_loopback(url) {
            &self.loopback
        } else {
            &self.remote
        };
        client.request(method, url.clone())
    }
}

impl Transport {
    /// A call that ends in time, the reading of its answer included.
    pub(crate) fn bounded(&self, method: Method, url: &Url) -> RequestBuilder {
        self.request(method, url).timeout(self.timeouts.whole)
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).to_canonical().is_loopback(),
        None => false,
    }
}

/// Adds a JSON body.
pub(crate) fn with_json(
    request: RequestBuilder,
    body: &impl Serialize,
) -> Result<RequestBuilder, HttpError> {
    let body = serde_json::to_vec(body).map_err(|_| HttpError::Malformed)?;
    Ok(request
        .header(header::CONTENT_TYPE, "application/json")
        .body(body))
}

/// Sends a request and reads its whole answer, at most `limit` bytes.
pub(crate) async fn read(request: RequestBuilder, limit: usize) -> Result<Answer, HttpError> {
    let response = request.send().await.map_err(|error| reason(&error))?;
    collect(response, limit).await
}

async fn collect(mut response: Response, limit: usize) -> Result<Answer, HttpError> {
    let status = response.status().as_u16();
    let too_large = |length: usize| length > limit;
    if response
        .content_length()
        .is_some_and(|length| length > limit as u64)
    {
        return Err(HttpError::TooLarge);
    }
    let mut body = Vec::new();
    while let Some(piece) = response
        .chunk()
        .await
        .map_err(|error| match reason(&error) {
            HttpError::Unreachable => HttpError::Broken,
            other => other,
        })?
    {
        if too_large(body.len() + piece.len()) {
            return Err(HttpError::TooLarge);
        }
        body.extend_from_slice(&piece);
    }
    Ok(Answer { status, body })
}

fn reason(error: &reqwest::Error) -> HttpError {
    if error.is_timeout() {
        HttpError::Timeout
    } else if error.is_connect() && is_about_tls(error) {
        HttpError::Insecure
    } else if error.is_builder() {
        HttpError::Malformed
    } else if error.is_connect() || error.is_request() {
        HttpError::Unreachable
    } else {
        HttpError::Broken
    }
}

/// The TLS library's complaints come as I/O errors about the data, somewhere below.
fn is_about_tls(error: &(dyn Error + 'static)) -> bool {
    let Some(error_of_io) = error.downcast_ref::<io::Error>() else {
        return error.source().is_some_and(is_about_tls);
    };
    // (An I/O error that wraps another one passes it over as its source.)
    error_of_io.kind() == io::ErrorKind::InvalidData
        || error_of_io
            .get_ref()
            .is_some_and(|inner| is_about_tls(inner))
}
