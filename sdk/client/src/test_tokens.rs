//! Tokens for the tests of this crate.

use crate::Claims;

/// Claims of an ordinary token.
pub(crate) fn claims() -> Claims {
    Claims {
        sub: "550e8400-e29b-41d4-a716-446655440000".into(),
        jti: "0b7d7f0e-6a4e-4d0f-9a53-0d9f3b6f2c11".into(),
        exp: 4_102_444_800,
        iat: Some(1_700_000_000),
        nbf: Some(1_700_000_000),
        iss: Some("https://auth.example.com".into()),
        aud: vec!["item-service".into()],
        email: "ada@example.com".into(),
        role: crate::Role::Writer,
        is_superuser: false,
        is_active: true,
        email_verified: true,
        full_name: Some("Ada Lovelace".into()),
        avatar: None,
        tenant_id: None,
        sid: None,
        generation: None,
        amr: Vec::new(),
        acr: None,
        auth_time: None,
    }
}
