"""What every event has."""

from pydantic import BaseModel


class EventBase(BaseModel):
    """An event on the bus."""

    event_type: str
    version: str = "v1"
