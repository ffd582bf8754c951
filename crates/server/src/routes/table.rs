//! Routes that can be listed, so that a test can ask of each who may call it.

use axum::{
    Router,
    handler::Handler,
    routing::{MethodFilter, on},
};
use http::Method;

use crate::Context;

/// Routes of one area, and the list of them.
pub struct Routes {
    router: Router<Context>,
    listed: Vec<Route>,
}

/// One method of one path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// The path with its variables, for example `/v1/apps/{slug}`.
    pub path: String,
    /// The method's name; `GET` answers `HEAD` too.
    pub method: String,
}

impl Routes {
    /// No routes yet.
    pub fn new() -> Self {
        Self {
            router: Router::new(),
            listed: Vec::new(),
        }
    }

    /// Answers one method of one path.
    #[must_use]
    pub fn on<H, T>(mut self, method: Method, path: &str, handler: H) -> Self
    where
        H: Handler<T, Context>,
        T: 'static,
    {
        self.listed.push(Route {
            path: path.to_owned(),
            method: method.to_string(),
        });
        let filter = MethodFilter::try_from(method).expect("routes answer the usual methods");
        self.router = self.router.route(path, on(filter, handler));
        self
    }

    /// Answers `GET` (and `HEAD`).
    #[must_use]
    pub fn get<H: Handler<T, Context>, T: 'static>(self, path: &str, handler: H) -> Self {
        self.on(Method::GET, path, handler)
    }

    /// Answers `POST`.
    #[must_use]
    pub fn post<H: Handler<T, Context>, T: 'static>(self, path: &str, handler: H) -> Self {
        self.on(Method::POST, path, handler)
    }

    /// Answers `PUT`.
    #[must_use]
    pub fn put<H: Handler<T, Context>, T: 'static>(self, path: &str, handler: H) -> Self {
        self.on(Method::PUT, path, handler)
    }

    /// Answers `PATCH`.
    #[must_use]
    pub fn patch<H: Handler<T, Context>, T: 'static>(self, path: &str, handler: H) -> Self {
        self.on(Method::PATCH, path, handler)
    }

    /// Answers `DELETE`.
    #[must_use]
    pub fn delete<H: Handler<T, Context>, T: 'static>(self, path: &str, handler: H) -> Self {
        self.on(Method::DELETE, path, handler)
    }

    /// Takes over the routes of another area.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.listed.extend(other.listed);
        self.router = self.router.merge(other.router);
        self
    }

    /// Takes over the routes of another area below a prefix. Unknown paths and methods below it are answered by that
    /// area's own fallbacks.
    #[must_use]
    pub fn nest(mut self, prefix: &str, other: Self) -> Self {
        let below = |route: Route| Route {
            path: format!("{prefix}{}", route.path),
            ..route
        };
        self.listed.extend(other.listed.into_iter().map(below));
        self.router = self.router.nest(prefix, other.router);
        self
    }

    /// The paths so far, with their variables.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.listed.iter().map(|route| route.path.as_str())
    }

    /// Changes the router itself: layers, limits, fallbacks. Routes added this way are not listed, so add none.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(Router<Context>) -> Router<Context>) -> Self {
        self.router = change(self.router);
        self
    }

    /// The router and the list, sorted.
    pub fn finish(mut self) -> (Router<Context>, Vec<Route>) {
        self.listed.sort();
        (self.router, self.listed)
    }
}

impl Default for Routes {
    fn default() -> Self {
        Self::new()
    }
}
