"""The names of `fastapi-m8`, on Vestibule."""

from fastapi_m8._app import AppLifecycle, HealthConfig, create_app
from fastapi_m8._async_stub import CAPABILITIES, capabilities, create_async_app
from fastapi_m8._compat import COMPAT_MATRIX
from fastapi_m8._deps import AuthDeps, build_auth_deps
from fastapi_m8._engine import DbEngine, create_db_engine
from fastapi_m8._health import HealthAggregatePolicy, HealthCheck, HealthCheckResult, HealthStatus
from fastapi_m8._version import __version__
from fastapi_m8.config import ConsumerServiceSettings

__all__ = [
    "CAPABILITIES",
    "COMPAT_MATRIX",
    "AppLifecycle",
    "AuthDeps",
    "ConsumerServiceSettings",
    "DbEngine",
    "HealthAggregatePolicy",
    "HealthCheck",
    "HealthCheckResult",
    "HealthConfig",
    "HealthStatus",
    "__version__",
    "build_auth_deps",
    "capabilities",
    "create_app",
    "create_async_app",
    "create_db_engine",
]
