"""Who is calling: validators, policies, keys."""

from auth_sdk_m8.security.blacklist import AccessTokenBlacklist
from auth_sdk_m8.security.factory import build_access_validator
from auth_sdk_m8.security.hooks import ValidationHooks
from auth_sdk_m8.security.jwks_resolver import JwksKeyResolver
from auth_sdk_m8.security.key_resolver import KeyResolver
from auth_sdk_m8.security.refresh_token_policy import RefreshTokenPolicy
from auth_sdk_m8.security.refresh_token_store import RefreshTokenStore
from auth_sdk_m8.security.session_store import SessionStore
from auth_sdk_m8.security.token_policy import TokenPolicy
from auth_sdk_m8.security.token_validator import TokenValidator
from auth_sdk_m8.security.validation import TokenValidationConfig

__all__ = [
    "AccessTokenBlacklist",
    "JwksKeyResolver",
    "KeyResolver",
    "RefreshTokenPolicy",
    "RefreshTokenStore",
    "SessionStore",
    "TokenPolicy",
    "TokenValidationConfig",
    "TokenValidator",
    "ValidationHooks",
    "build_access_validator",
]
