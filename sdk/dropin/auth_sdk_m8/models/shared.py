"""Models that services share. Needs `sqlmodel` (extra `db`)."""

from datetime import datetime, timezone

from sqlalchemy import text
from sqlmodel import Field, SQLModel


def _now() -> datetime:
    return datetime.now(timezone.utc)


class TimestampMixin(SQLModel):
    """When a row was made and last changed, in UTC. Rows made outside of the program get the database's time."""

    created_at: datetime = Field(
        default_factory=_now,
        sa_column_kwargs={"nullable": False, "server_default": text("CURRENT_TIMESTAMP")},
    )
    updated_at: datetime = Field(
        default_factory=_now,
        sa_column_kwargs={
            "nullable": False,
            "server_default": text("CURRENT_TIMESTAMP"),
            "onupdate": text("CURRENT_TIMESTAMP"),
        },
    )


class Message(SQLModel):
    """An answer of one sentence."""

    message: str = Field(description="Response message content")


class Token(SQLModel):
    """What a sign-in answers."""

    access_token: str = Field(description="JWT access token string")
    token_type: str = Field(default="bearer", description="Token type")


class TokenPayload(SQLModel):
    """Whom a token is about."""

    sub: str | None = Field(default=None, description="Subject (usually user ID)")
