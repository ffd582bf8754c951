//! The control API's client: bounded time-outs, and each failure turned into a sentence and an exit code.

use std::time::Duration;

use protocol::control::ErrorBody;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::credentials::Target;
use crate::failure::{Code, Failure};

/// A connection to one server.
pub(crate) struct Client {
    http: reqwest::Client,
    target: Target,
}

/// How long one ordinary request may take. A publish and a followed log have no such end.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(1);

impl Client {
    pub(crate) fn new(target: Target) -> Result<Self, Failure> {
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(10))
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("vestibule/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(Failure::internal)?;
        Ok(Self { http, target })
    }

    pub(crate) fn server(&self) -> &str {
        &self.target.server
    }

    /// A request to a path of the server, with the token when there is one.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self
            .http
            .request(method, format!("{}{path}", self.target.server));
        match &self.target.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends, and turns every answer but a success into a [`Failure`].
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let response = request
            .send()
            .await
            .map_err(|error| self.unreachable(&error))?;
        if response.status().is_success() {
            Ok(response)
        } else {
            Err(self.refusal(response).await)
        }
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.json(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        self.json(self.request(Method::POST, path).json(body)).await
    }

    /// Sends and reads a JSON answer.
    pub(crate) async fn json<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
    ) -> Result<T, Failure> {
        let response = self.send(request.timeout(REQUEST_TIMEOUT)).await?;
        response.json().await.map_err(|error| {
            Failure::new(Code::Network, format!("{} answered what this command does not understand ({error}); are both of one version?", self.server()))
        })
    }

    /// Sends and ignores the body of the answer.
    pub(crate) async fn done(&self, request: RequestBuilder) -> Result<(), Failure> {
        self.send(request.timeout(REQUEST_TIMEOUT)).await.map(drop)
    }

    pub(crate) fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let what = if error.is_timeout() {
            "did not answer in time"
        } else {
            "could not be reached"
        };
        let mut cause: &dyn std::error::Error = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        Failure::new(
            Code::Network,
            format!(
                "{} {what}: {cause}. Is the server running? Name another with --server",
                self.server()
            ),
        )
    }

    async fn refusal(&self, response: Response) -> Failure {
        let status = response.status();
        let code = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
                Code::Refused
            }
            StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Code::Network,
            status if status.is_client_error() => Code::Usage,
            _ => Code::Internal,
        };
        let text = response.text().await.unwrap_or_default();
        let message = match serde_json::from_str::<ErrorBody>(&text) {
            Ok(body) if body.error == "start_failed" => {
                let details = serde_json::from_str::<serde_json::Value>(&text).unwrap_or_default();
                let log = details["log"].as_str().unwrap_or_default();
                let message = format!("{}; the version that was live keeps serving", body.message);
                return Failure::new(Code::Start, message).with_log(log);
            }
            Ok(body) if matches!(&*body.error, "second_factor_required" | "wrong_code") => {
                return Failure::new(code, body.message).refused_as(&body.error);
            }
            Ok(body) => body.message,
            Err(_) => format!("{} answered {status}", self.server()),
        };
        if status == StatusCode::UNAUTHORIZED && self.target.token.is_none() {
            return Failure::new(
                code,
                format!(
                    "not signed in to {0}; run: vestibule login {0}",
                    self.server()
                ),
            );
        }
        Failure::new(code, message)
    }
}

/// A path segment, percent-encoded.
pub(crate) fn segment(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
