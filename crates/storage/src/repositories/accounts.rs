//! Accounts.

use ::accounts::{Account, PENDING_PREFIX, Role};
use ids::AccountId;
use jiff::Timestamp;
use sea_query::{Cond, Condition, Expr, ExprTrait, Func, LikeExpr, Order, Query};
use secret::SecretString;

use super::{changed, is, millis, number};
use crate::{
    Error, Tx,
    row::{Cells, Row},
};

pub(super) const TABLE: &str = "account";
pub(super) const COLUMNS: [&str; 14] = [
    "id",
    "email",
    "username",
    "full_name",
    "role",
    "roles",
    "active",
    "email_verified",
    "generation",
    "password",
    "created_at",
    "updated_at",
    "avatar",
    "provider",
];

/// The accounts.
#[derive(Debug)]
pub struct Accounts<'t>(pub(crate) &'t mut Tx);

/// A part of a list ordered by id, that is by time of creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page<Id> {
    /// Only what comes after this one; from the beginning when `None`.
    pub after: Option<Id>,
    /// At most so many.
    pub limit: u32,
}

/// A part of a list by its place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// How many to leave out from the beginning.
    pub skip: u32,
    /// At most so many.
    pub limit: u32,
}

impl Accounts<'_> {
    /// Adds an account. [`Error::Conflict`] of `email` or `username` when one of them is taken.
    pub fn insert(&mut self, account: &Account) -> Result<(), Error> {
        self.0.insert(TABLE, COLUMNS, values(account))
    }

    /// Overwrites the whole record; raises neither the generation nor the time of change by itself.
    pub fn update(&mut self, account: &Account) -> Result<(), Error> {
        let rows = self.0.update(
            TABLE,
            COLUMNS,
            values(account),
            is("id", account.id.as_uuid()),
        )?;
        changed(rows, TABLE)
    }

    /// Removes an account with its sessions, links and memberships. [`Error::InUse`] while it owns an app, be it a
    /// deleted one that was not purged yet.
    pub fn delete(&mut self, id: AccountId) -> Result<(), Error> {
        let mut owned = Query::select();
        owned
            .column("id")
            .from("app")
            .cond_where(is("owner", id.as_uuid()))
            .limit(1);
        if self.0.query_one(&owned, |_| Ok(()))?.is_some() {
            return Err(Error::InUse);
        }
        let rows = self.0.execute(
            Query::delete()
                .from_table(TABLE)
                .cond_where(is("id", id.as_uuid())),
        )?;
        changed(rows, TABLE)
    }

    /// Raises the generation of every account: all access tokens that were issued so far are refused.
    pub fn raise_generations(&mut self) -> Result<(), Error> {
        let mut raise = Query::update();
        raise
            .table(TABLE)
            .value("generation", Expr::col("generation").add(1_i64));
        self.0.execute(&raise).map(drop)
    }

    /// The account of this id.
    pub fn find(&mut self, id: AccountId) -> Result<Option<Account>, Error> {
        self.one(is("id", id.as_uuid()))
    }

    /// The account of this address, given trimmed and lower-cased.
    pub fn find_by_email(&mut self, email: &str) -> Result<Option<Account>, Error> {
        self.one(is("email", email))
    }

    /// The account of this username, given lower-cased.
    pub fn find_by_username(&mut self, username: &str) -> Result<Option<Account>, Error> {
        self.one(is("username", username))
    }

    /// The account of this address or username, given trimmed and lower-cased. Usernames hold no `@`.
    pub fn find_by_login(&mut self, login: &str) -> Result<Option<Account>, Error> {
        self.one(
            Cond::any()
                .add(Expr::col("email").eq(login))
                .add(Expr::col("username").eq(login)),
        )
    }

    /// Accounts in order of creation.
    pub fn list(&mut self, page: Page<AccountId>) -> Result<Vec<Account>, Error> {
        let mut select = Query::select();
        select
            .columns(COLUMNS)
            .from(TABLE)
            .order_by("id", Order::Asc)
            .limit(page.limit.into());
        if let Some(after) = page.after {
            select.and_where(Expr::col("id").gt(after.as_uuid()));
        }
        self.0.query(&select, read)
    }

    /// A part of the people whose address, username or full name holds a text, in order of creation. An owner's place
    /// that nobody has taken yet is no person.
    pub fn list_people(&mut self, text: &str, window: Window) -> Result<Vec<Account>, Error> {
        let mut select = Query::select();
        select
            .columns(COLUMNS)
            .from(TABLE)
            .cond_where(people(text))
            .order_by("id", Order::Asc)
            .limit(window.limit.into())
            .offset(window.skip.into());
        self.0.query(&select, read)
    }

    /// How many people [`Self::list_people`] knows for this text; an empty one stands for all.
    pub fn count_people(&mut self, text: &str) -> Result<u64, Error> {
        self.counted(people(text))
    }

    /// How many people's records changed, and how many were made, from one instant to before another; of one account
    /// only when it is given.
    pub fn count_activity(
        &mut self,
        since: Timestamp,
        until: Timestamp,
        only: Option<AccountId>,
    ) -> Result<(u64, u64), Error> {
        let mut within = |column: &'static str| {
            let mut condition = people("")
                .add(Expr::col(column).gte(millis(since)))
                .add(Expr::col(column).lt(millis(until)));
            if let Some(id) = only {
                condition = condition.add(Expr::col("id").eq(id.as_uuid()));
            }
            self.counted(condition)
        };
        Ok((within("updated_at")?, within("created_at")?))
    }

    /// How many there are.
    pub fn count(&mut self) -> Result<u64, Error> {
        self.counted(Cond::all())
    }

    /// How many of them hold the highest role and are active.
    pub fn count_superadmins(&mut self) -> Result<u64, Error> {
        self.counted(is("role", Role::Superadmin.as_str()).add(Expr::col("active").eq(true)))
    }

    /// How many people beside this one hold the highest role and are active.
    pub fn count_other_superadmins(&mut self, id: AccountId) -> Result<u64, Error> {
        self.counted(other_superadmins(id))
    }

    /// The first one of those people.
    pub fn find_other_superadmin(&mut self, id: AccountId) -> Result<Option<Account>, Error> {
        let mut select = Query::select();
        select
            .columns(COLUMNS)
            .from(TABLE)
            .cond_where(other_superadmins(id))
            .order_by("id", Order::Asc)
            .limit(1);
        self.0.query_one(&select, read)
    }

    fn counted(&mut self, condition: Condition) -> Result<u64, Error> {
        let mut select = Query::select();
        select
            .expr(Func::count(Expr::col("id")))
            .from(TABLE)
            .cond_where(condition);
        Ok(self
            .0
            .query_one(&select, |row| row.number(TABLE))?
            .unwrap_or_default())
    }

    fn one(&mut self, condition: Condition) -> Result<Option<Account>, Error> {
        self.0.query_one(
            Query::select()
                .columns(COLUMNS)
                .from(TABLE)
                .cond_where(condition),
            read,
        )
    }
}

/// Everybody but an owner whose place is not taken yet; with a text, those in whose address or names it is.
fn people(text: &str) -> Condition {
    let taken = Expr::col("email").not_like(format!("{PENDING_PREFIX}%"));
    let mut condition = Cond::all().add(taken);
    let wanted = text.trim().to_lowercase();
    if !wanted.is_empty() {
        let mut pattern = String::from("%");
        for character in wanted.chars() {
            if matches!(character, '%' | '_' | '\\') {
                pattern.push('\\');
            }
            pattern.push(character);
        }
        pattern.push('%');
        let holds = |column: &'static str| {
            Expr::expr(Func::lower(Expr::col(column)))
                .like(LikeExpr::new(pattern.clone()).escape('\\'))
        };
        condition = condition.add(
            Cond::any()
                .add(holds("email"))
                .add(holds("username"))
                .add(holds("full_name")),
        );
    }
    condition
}

fn other_superadmins(id: AccountId) -> Condition {
    people("")
        .add(Expr::col("role").eq(Role::Superadmin.as_str()))
        .add(Expr::col("active").eq(true))
        .add(Expr::col("id").ne(id.as_uuid()))
}

fn values(account: &Account) -> [Expr; 14] {
    [
        account.id.as_uuid().into(),
        account.email.as_str().into(),
        account.username.as_str().into(),
        account.full_name.clone().into(),
        account.role.as_str().into(),
        serde_json::json!(account.roles).to_string().into(),
        account.active.into(),
        account.email_verified.into(),
        number(account.generation),
        account
            .password
            .as_ref()
            .map(|password| password.expose().clone())
            .into(),
        millis(account.created_at),
        millis(account.updated_at),
        account.avatar.clone().into(),
        account.provider.as_str().into(),
    ]
}

fn read(row: &Row<'_>) -> Result<Account, Error> {
    read_cells(&mut row.cells(TABLE, &COLUMNS))
}

/// Reads an account where its columns begin.
pub(super) fn read_cells(cells: &mut Cells<'_>) -> Result<Account, Error> {
    Ok(Account {
        id: AccountId::from_uuid(cells.uuid()?),
        email: cells.text()?,
        username: cells.text()?,
        full_name: cells.optional_text()?,
        role: cells.parsed(|text| text.parse().ok())?,
        roles: cells.parsed(|text| serde_json::from_str(text).ok())?,
        active: cells.bool()?,
        email_verified: cells.bool()?,
        generation: cells.u64()?,
        password: cells.optional_text()?.map(SecretString::new),
        created_at: cells.time()?,
        updated_at: cells.time()?,
        avatar: cells.optional_text()?,
        provider: cells.text()?,
    })
}
