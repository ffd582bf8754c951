"""The id of a request: in its answer, in the log, and in what the service asks of others."""

from __future__ import annotations

import logging
import os
import re
from contextvars import ContextVar
from typing import Final

HEADER: Final = b"x-request-id"

_SANE: Final = re.compile(rb"[A-Za-z0-9._:=+/-]{1,128}")
current: Final[ContextVar[str | None]] = ContextVar("vestibule_request_id", default=None)


def request_id() -> str | None:
    """The id of the request that is being answered; None outside of one."""
    return current.get()


def accept(sent: bytes | None) -> bytes:
    """The id that was sent, if it is one (1 to 128 letters, digits and `._:=+/-`), else a new one of 32 hexadecimal
    digits.
    """
    if sent is not None and _SANE.fullmatch(sent) is not None:
        return sent
    return os.urandom(16).hex().encode()


class RequestIdFilter(logging.Filter):
    """Gives every log record the attribute `request_id`, `-` outside of requests.

    Add it to a handler and use `%(request_id)s` in its format.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Always true: it adds, and drops nothing."""
        if not hasattr(record, "request_id"):
            record.request_id = current.get() or "-"
        return True
