//! From records to what `/user` tells of them.

use accounts::Account;
use protocol::issuer::UserPublic;

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
