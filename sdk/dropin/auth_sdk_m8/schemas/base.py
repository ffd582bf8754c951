"""Roles, providers and the shapes of answers."""

from enum import Enum
from typing import Any

from pydantic import BaseModel, Field


class AuthProviderType(str, Enum):
    """How an account signs in."""

    PASSWORD = "password"
    GOOGLE = "google"


class RoleType(str, Enum):
    """The five roles, highest first."""

    SUPERADMIN = "superadmin"
    ADMIN = "admin"
    WRITER = "writer"
    READER = "reader"
    USER = "user"

    @staticmethod
    def get_ordered_roles() -> list[str]:
        """All roles by name, highest first."""
        return [role.value for role in RoleType]

    @staticmethod
    def is_valid_role_auth(current_role: "RoleType", role_limit: "RoleType") -> bool:
        """Whether `current_role` is `role_limit` or above it. A role that is none of the five is below all."""
        order = RoleType.get_ordered_roles()
        if current_role.value not in order or role_limit.value not in order:
            return False
        return order.index(current_role.value) <= order.index(role_limit.value)


class Period(str, Enum):
    """The windows of limits."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


class ResponseError(BaseModel):
    """What was wrong with one field."""

    table: str | None = None
    field_name: str | None = None
    error: str | None = None


class ResponseModelBase(BaseModel):
    """An answer with or without data."""

    success: bool
    data: Any | None = None


class ResponseMessage(BaseModel):
    """An answer that says one sentence."""

    success: bool
    msg: str


class ResponseErrorBase(BaseModel):
    """The envelope of an error that a route did not expect."""

    success: bool = False
    msg: str | None = None
    from_error: str | None = None
    errors: list[ResponseError] = Field(default_factory=list)
    status_code: int | None = None
