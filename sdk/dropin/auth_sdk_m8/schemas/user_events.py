"""Events about people."""

from auth_sdk_m8.schemas.redis_events import EventBase


class UserDeletedEvent(EventBase):
    """An account is gone."""

    event_type: str = "user.deleted"
    user_id: str
