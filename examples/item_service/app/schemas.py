"""What goes over the wire."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Note = Annotated[str, StringConstraints(max_length=10_000)]


class NewItem(BaseModel):
    """An item to be kept. Whose it is follows from who sends it."""

    model_config = ConfigDict(extra="forbid")

    title: Title
    note: Note = ""


class ItemChange(BaseModel):
    """What is to be different; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    title: Title | None = None
    note: Note | None = None


class ItemOut(BaseModel):
    """An item as it is kept."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    owner_id: UUID
    title: str
    note: str
    created_at: datetime
    updated_at: datetime


class Count(BaseModel):
    """How many there are, or were."""

    items: int


class PageQuery(BaseModel):
    """Which part of a list is wanted."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(default=50, ge=1, le=100)
    offset: int = Field(default=0, ge=0, le=1_000_000)
