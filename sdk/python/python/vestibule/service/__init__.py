"""The service kit: what a FastAPI service needs around its routes."""

from vestibule.service.auth import AuthDeps, accepted_subprotocol, build_auth_deps
from vestibule.service.guards import Guard
from vestibule.service.roles import Role
from vestibule.service.settings import ServiceSettings, ServiceSettingsError
from vestibule.service.user import User

__all__ = [
    "AuthDeps",
    "Guard",
    "Role",
    "ServiceSettings",
    "ServiceSettingsError",
    "User",
    "accepted_subprotocol",
    "build_auth_deps",
]
