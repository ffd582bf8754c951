"""How events are written, and who may have written them (HMAC-SHA256 over one spelling of the payload)."""

from __future__ import annotations

import json
import logging
from functools import lru_cache
from typing import Any

from vestibule._core import EventKey

logger = logging.getLogger(__name__)


@lru_cache(maxsize=16)
def _key(text: str) -> EventKey:
    return EventKey(text)


def serialize(payload: dict[str, Any], signing_key: str | None) -> str:
    """The event as it travels, signed if there is a key."""
    text = json.dumps(payload)
    if not signing_key:
        return text
    return json.dumps({"payload": payload, "sig": _key(signing_key).sign(text)})


def deserialize(raw: str, signing_key: str | None, *, accept_unsigned: bool = False) -> dict[str, Any] | None:
    """The event of a message; nothing if it must not be believed.

    Args:
        raw: The message.
        signing_key: What it must be signed with. Without one, whatever was sent is given as it is.
        accept_unsigned: Believes events without a signature, while publishers are being changed. A wrong signature is
            never believed.

    Raises:
        ValueError: The message is no JSON.
    """
    message: Any = json.loads(raw)
    if not signing_key:
        event: dict[str, Any] = message
        return event
    if isinstance(message, dict) and "payload" in message and "sig" in message:
        payload, signature = message["payload"], message["sig"]
        signed = isinstance(payload, dict) and isinstance(signature, str)
        if signed and _key(signing_key).verify(json.dumps(payload), signature):
            return dict(payload)
        logger.warning("an event with a wrong signature was dropped")
        return None
    if accept_unsigned and isinstance(message, dict):
        return message
    logger.warning("an event without a signature was dropped")
    return None
