//! Services that call the issuer in their own name.

use ::accounts::Service;
use ids::ServiceId;
use sea_query::{Expr, Order, Query, SelectStatement};

use super::{changed, is, millis};
use crate::{Error, Tx, row::Row};

const TABLE: &str = "service";
const COLUMNS: [&str; 8] = [
    "id",
    "name",
    "audience",
    "secret",
    "scopes",
    "disabled",
    "created_at",
    "updated_at",
];

/// The services.
#[derive(Debug)]
pub struct Services<'t>(pub(crate) &'t mut Tx);

impl Services<'_> {
    /// Adds a service. An id that is taken is [`Error::Conflict`].
    pub fn insert(&mut self, service: &Service) -> Result<(), Error> {
        if self.find(&service.id)?.is_some() {
            return Err(Error::Conflict { what: TABLE });
        }
        self.0.insert(TABLE, COLUMNS, values(service))
    }

    /// Overwrites the whole record.
    pub fn update(&mut self, service: &Service) -> Result<(), Error> {
        let this = is("id", service.id.as_str());
        let rows = self.0.update(TABLE, COLUMNS, values(service), this)?;
        changed(rows, TABLE)
    }

    /// Removes a service.
    pub fn delete(&mut self, id: &ServiceId) -> Result<(), Error> {
        let this = is("id", id.as_str());
        let rows = self
            .0
            .execute(Query::delete().from_table(TABLE).cond_where(this))?;
        changed(rows, TABLE)
    }

    /// The service of this id, disabled or not.
    pub fn find(&mut self, id: &ServiceId) -> Result<Option<Service>, Error> {
        self.0
            .query_one(select().cond_where(is("id", id.as_str())), read)
    }

    /// All services, by id. There are few: operators register them one by one.
    pub fn list(&mut self) -> Result<Vec<Service>, Error> {
        self.0.query(select().order_by("id", Order::Asc), read)
    }
}

fn select() -> SelectStatement {
    Query::select().columns(COLUMNS).from(TABLE).to_owned()
}

fn values(service: &Service) -> [Expr; 8] {
    [
        service.id.as_str().into(),
        service.name.as_str().into(),
        service.audience.clone().into(),
        service.secret.map(|secret| secret.to_vec()).into(),
        service.scopes.to_string().into(),
        service.disabled.into(),
        millis(service.created_at),
        millis(service.updated_at),
    ]
}

fn read(row: &Row<'_>) -> Result<Service, Error> {
    let mut cells = row.cells(TABLE, &COLUMNS);
    Ok(Service {
        id: cells.parsed(|text| text.parse().ok())?,
        name: cells.text()?,
        audience: cells.optional_text()?,
        secret: cells.optional_digest()?,
        scopes: cells.parsed(|text| text.parse().ok())?,
        disabled: cells.bool()?,
        created_at: cells.time()?,
        updated_at: cells.time()?,
    })
}
