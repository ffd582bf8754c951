//! Services: programs that call the issuer in their own name.

mod authenticate;
mod exchange;
mod manage;

pub use authenticate::{PrivateClient, Proof, authenticate};
pub use exchange::{ExchangeRefusal, IssuedServiceToken, exchange};
pub use manage::{
    NewService, Registered, ServiceChange, add, find_service, list_services, remove, rotate_secret,
    update,
};

use std::{collections::HashMap, sync::Arc};

use accounts::Service;
use ids::ServiceId;

/// Every service by its id. There are few, so they are kept and dropped together; an unknown id costs no database read.
pub(crate) type Registry = HashMap<ServiceId, Arc<Service>>;
