//! Signing in by an outside provider of identities, and joining such identities to accounts.
//!
//! A person is sent to the provider (`trip`), comes back with a code, and `come_back` decides what follows. The rules
//! are in `accounts`, the conversation with providers in `crate::outside`.

mod come_back;
mod connections;
mod program;
mod target;
mod trip;

use accounts::SocialRefusal;

pub use come_back::{CameBack, Joining, come_back};
pub use connections::{Connection, connections, join, unlink, waiting};
pub use program::{
    BeginRefusal, ExchangeRefusal, Exchanged, ToProgram, begin_program, come_back_to_program,
    exchange,
};
pub use target::TargetRefusal;
pub use trip::{Browser, Journey, Return, begin};

use crate::{Context, Error, outside::ProviderError};

/// Why somebody does not come in by a provider.
#[derive(Debug)]
pub enum OutsideRefusal {
    /// There is no such provider here.
    NotConfigured,
    /// The `state` is not one that waits: forged, used, too old, or of another provider.
    UnknownState,
    /// They came back in another browser, or as somebody else, than they left.
    OtherBrowser,
    /// They, or the provider, said no there. With the provider's error code.
    Declined(String),
    /// The provider could not be asked, or is not believed. The reason is in the log.
    Provider {
        /// What people call the provider.
        label: String,
        /// Whether it is worth trying again.
        outage: bool,
    },
    /// The rules about accounts say no.
    Account(SocialRefusal),
    /// The identity belongs to another account.
    Taken,
    /// More is needed than a program's sign-in can ask for: a second factor, or joining the identity to an account.
    OnlyAtThePages,
    /// Something else.
    Other(Error),
}

impl From<Error> for OutsideRefusal {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl OutsideRefusal {
    fn provider(label: &str, error: &ProviderError) -> Self {
        let outage = error.is_outage();
        if outage {
            tracing::warn!(provider = label, %error, "a provider of identities does not answer");
        } else {
            tracing::warn!(provider = label, %error, "an answer of a provider of identities is not believed");
        }
        Self::Provider {
            label: label.to_owned(),
            outage,
        }
    }
}

/// The names of the providers that people may sign in by.
pub(super) fn offered(context: &Context) -> Vec<String> {
    let labels = context.outside.labels();
    labels.map(|(name, _)| name.to_owned()).collect()
}

/// Name and label of each provider that people may sign in by.
pub fn labels(context: &Context) -> Vec<(String, String)> {
    context
        .outside
        .labels()
        .map(|(name, label)| (name.to_owned(), label.to_owned()))
        .collect()
}
