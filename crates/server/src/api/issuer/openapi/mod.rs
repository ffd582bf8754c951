//! `GET /user/openapi.json`: the public calls of this area, for readers and generators. What services and operators
//! alone call is not in it.

mod operations;

use std::{collections::BTreeMap, sync::OnceLock};

use axum::{
    body::Bytes,
    response::{IntoResponse, Response},
};
use http::header;
use protocol::issuer::{Detail, Invalid};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

/// Where the calls begin.
const PREFIX: &str = "/user";

/// Who may make a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Guard {
    /// Everyone.
    Anyone,
    /// Whoever holds the refresh cookie.
    RefreshCookie,
    /// Whoever has a good access token.
    Token,
    /// The same with the highest role.
    Superuser,
    /// Whoever has an API key.
    ApiKey,
}

/// Puts a type's schema, and those it refers to, among the components and gives a reference to it.
type Describe = fn(&mut Map<String, Value>) -> Value;

/// One public call.
struct Operation {
    method: &'static str,
    path: &'static str,
    guard: Guard,
    summary: &'static str,
    query: Vec<(&'static str, Value)>,
    sends: Option<(&'static str, Describe)>,
    gives: (u16, Option<Describe>),
    refusals: Vec<(u16, &'static str)>,
}

impl Operation {
    fn new(method: &'static str, path: &'static str, guard: Guard, summary: &'static str) -> Self {
        Self {
            method,
            path,
            guard,
            summary,
            query: Vec::new(),
            sends: None,
            gives: (200, None),
            refusals: Vec::new(),
        }
    }

    fn query(self, query: Vec<(&'static str, Value)>) -> Self {
        Self { query, ..self }
    }

    /// The call has a JSON body.
    fn sends<T: ToSchema>(self) -> Self {
        Self {
            sends: Some(("application/json", describe::<T>)),
            ..self
        }
    }

    /// The call has a form as its body.
    fn sends_form<T: ToSchema>(self) -> Self {
        Self {
            sends: Some(("application/x-www-form-urlencoded", describe::<T>)),
            ..self
        }
    }

    fn gives<T: ToSchema>(self) -> Self {
        self.gives_with::<T>(200)
    }

    fn gives_with<T: ToSchema>(self, status: u16) -> Self {
        Self {
            gives: (status, Some(describe::<T>)),
            ..self
        }
    }

    /// The call gives all of a list.
    fn gives_list<T: ToSchema>(self) -> Self {
        Self {
            gives: (200, Some(describe_list::<T>)),
            ..self
        }
    }

    /// The call leads elsewhere.
    fn redirects(self) -> Self {
        Self {
            gives: (307, None),
            ..self
        }
    }

    /// The call may be refused with a status, for a reason.
    fn refuses(mut self, status: u16, reason: &'static str) -> Self {
        self.refusals.push((status, reason));
        self
    }

    fn document(&self, components: &mut Map<String, Value>) -> Value {
        let mut responses = BTreeMap::new();
        let (status, gives) = self.gives;
        let given = gives.map(|describe| content("application/json", &describe(components)));
        responses.insert(status, response("Done", given));
        let detail = describe::<Detail>(components);
        let mut refuse = |status, reason| {
            let content = content("application/json", &detail);
            responses.insert(status, response(reason, Some(content)));
        };
        match self.guard {
            Guard::Anyone => {}
            Guard::RefreshCookie | Guard::ApiKey => refuse(401, "No good credential"),
            Guard::Token => {
                refuse(401, "No access token");
                refuse(403, "The access token is not accepted");
            }
            Guard::Superuser => {
                refuse(401, "No access token");
                refuse(
                    403,
                    "The access token is not accepted, or the role is too low",
                );
            }
        }
        for (status, reason) in &self.refusals {
            refuse(*status, reason);
        }
        if self.sends.is_some() || self.path.contains('{') || !self.query.is_empty() {
            let invalid = describe::<Invalid>(components);
            let content = content("application/json", &invalid);
            responses.insert(
                422,
                response("Something that was sent is wrong", Some(content)),
            );
        }
        let responses: Map<_, _> = responses
            .into_iter()
            .map(|(status, response)| (status.to_string(), response))
            .collect();
        let mut document = json!({
            "summary": self.summary,
            "operationId": self.id(),
            "tags": [self.path.split('/').nth(1).unwrap_or_default()],
            "responses": responses,
        });
        let parameters = self.parameters();
        if !parameters.is_empty() {
            document["parameters"] = parameters.into();
        }
        if let Some((kind, describe)) = self.sends {
            document["requestBody"] = json!({
                "required": true,
                "content": content(kind, &describe(components)),
            });
        }
        let scheme = match self.guard {
            Guard::Anyone => None,
            Guard::RefreshCookie => Some("RefreshCookie"),
            Guard::Token | Guard::Superuser => Some("OAuth2PasswordBearer"),
            Guard::ApiKey => Some("ApiKey"),
        };
        if let Some(scheme) = scheme {
            document["security"] = json!([{scheme: []}]);
        }
        document
    }

    /// A name for generated code: the method and the words of the path.
    fn id(&self) -> String {
        let words = self.path.split(|c: char| !c.is_ascii_alphanumeric());
        let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
        format!("{}_{}", self.method, words.join("_"))
    }

    fn parameters(&self) -> Vec<Value> {
        let variables = self.path.split('/').filter_map(|part| {
            let name = part.strip_prefix('{')?.strip_suffix('}')?;
            let schema = json!({"type": "string"});
            Some(json!({"name": name, "in": "path", "required": true, "schema": schema}))
        });
        let query = self.query.iter().map(|(name, schema)| {
            json!({"name": name, "in": "query", "required": false, "schema": schema})
        });
        variables.chain(query).collect()
    }
}

fn content(kind: &str, schema: &Value) -> Value {
    json!({kind: {"schema": schema}})
}

fn response(description: &str, content: Option<Value>) -> Value {
    let mut response = json!({"description": description});
    if let Some(content) = content {
        response["content"] = content;
    }
    response
}

fn describe<T: ToSchema>(components: &mut Map<String, Value>) -> Value {
    let mut schemas = vec![(T::name().into_owned(), T::schema())];
    T::schemas(&mut schemas);
    for (name, schema) in schemas {
        components
            .entry(name)
            .or_insert_with(|| serde_json::to_value(schema).expect("a schema is JSON"));
    }
    json!({"$ref": format!("#/components/schemas/{}", T::name())})
}

fn describe_list<T: ToSchema>(components: &mut Map<String, Value>) -> Value {
    json!({"type": "array", "items": describe::<T>(components)})
}

/// The whole document.
fn document() -> Value {
    let mut components = Map::new();
    let mut paths = Map::new();
    for operation in operations::all() {
        let path = format!("{PREFIX}{}", operation.path);
        let methods = paths.entry(path).or_insert_with(|| json!({}));
        methods[operation.method] = operation.document(&mut components);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Vestibule issuer",
            "description": "Accounts, sessions and tokens.",
            "version": env!("CARGO_PKG_VERSION"),
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "OAuth2PasswordBearer": {
                    "type": "oauth2",
                    "flows": {"password": {"tokenUrl": "/user/login/access-token", "scopes": {}}},
                },
                "RefreshCookie": {
                    "type": "apiKey", "in": "cookie", "name": protocol::issuer::REFRESH_COOKIE,
                },
                "ApiKey": {
                    "type": "apiKey", "in": "header", "name": protocol::issuer::API_KEY_HEADER,
                },
            },
        },
    })
}

/// Answers the document.
pub(super) async fn openapi() -> Response {
    static TEXT: OnceLock<Bytes> = OnceLock::new();
    let text = TEXT.get_or_init(|| document().to_string().into());
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "public, max-age=300"),
    ];
    (headers, text.clone()).into_response()
}
