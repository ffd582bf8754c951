"""The service kit: what a FastAPI service needs around its routes."""

from vestibule.service.app import create_app, create_async_app
from vestibule.service.auth import AuthDeps, accepted_subprotocol, build_auth_deps
from vestibule.service.checks_builtin import database_check, identity_check
from vestibule.service.engine import AsyncDbEngine, DbEngine, create_async_db_engine, create_db_engine
from vestibule.service.guards import Guard
from vestibule.service.health import HealthCheck, HealthCheckResult, HealthConfig, HealthPolicy, HealthStatus
from vestibule.service.lifespan import AppLifecycle
from vestibule.service.marks import guard, public
from vestibule.service.request_ids import RequestIdFilter, request_id
from vestibule.service.roles import Role
from vestibule.service.settings import ServiceSettings, ServiceSettingsError
from vestibule.service.user import User

__all__ = [
    "AppLifecycle",
    "AsyncDbEngine",
    "AuthDeps",
    "DbEngine",
    "Guard",
    "HealthCheck",
    "HealthCheckResult",
    "HealthConfig",
    "HealthPolicy",
    "HealthStatus",
    "RequestIdFilter",
    "Role",
    "ServiceSettings",
    "ServiceSettingsError",
    "User",
    "accepted_subprotocol",
    "build_auth_deps",
    "create_app",
    "create_async_app",
    "create_async_db_engine",
    "create_db_engine",
    "database_check",
    "guard",
    "identity_check",
    "public",
    "request_id",
]
