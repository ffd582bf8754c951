//! Signing in by an outside provider of identities, and every way that somebody might try to come in by one as somebody
//! else.

mod attacks;
mod browser;
mod journeys;
mod program;
mod provider;
