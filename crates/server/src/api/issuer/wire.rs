//! From records to what `/user` tells of them.

use accounts::Account;
use protocol::issuer::{SessionPublic, UserPublic};

use crate::actions::accounts::TokenSession;

pub(super) fn user_public(account: &Account) -> UserPublic {
    UserPublic {
        id: account.id.to_string(),
        provider: account.provider.clone(),
        email: account.email.clone(),
        full_name: account.full_name.clone(),
        avatar: account.avatar.clone(),
        is_active: account.active,
        email_verified: account.email_verified,
        is_superuser: account.role.is_superuser(),
        role: account.role.to_string(),
        created_at: account.created_at.to_string(),
        updated_at: account.updated_at.to_string(),
    }
}

pub(super) fn session_public(found: &TokenSession) -> SessionPublic {
    let TokenSession {
        session, newest, ..
    } = found;
    SessionPublic {
        id: session.id.to_string(),
        provider: found.provider.clone(),
        jwt_jti: newest.access.jti.to_string(),
        jwt_expires_at: newest.access.expires_at.to_string(),
        refresh_expires_at: newest.expires_at.to_string(),
        revoked: session.ended.is_some(),
        external_token_expires_at: found.external_expires_at.map(|at| at.to_string()),
        created_at: session.created_at.to_string(),
        updated_at: session.last_seen_at.to_string(),
    }
}
