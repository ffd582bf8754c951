"""Patterns that settings and inputs are held against."""

import re
from typing import ClassVar


class ValidationConstants:
    """The patterns, compiled."""

    # A host name, `localhost`, an IPv4 address with or without a port, or a name without dots.
    HOST_REGEX: ClassVar[re.Pattern[str]] = re.compile(
        r"^(localhost|((\d{1,3}\.){3}\d{1,3}(:\d{1,5})?)|([A-Za-z0-9-]+\.[A-Za-z0-9-.]+)|([A-Za-z0-9-_]+))$"
    )
    # An origin: `localhost`, an IPv4 address or a domain with dots, and perhaps a port.
    HTTP_HOST_REGEX: ClassVar[re.Pattern[str]] = re.compile(
        r"^https?:\/\/(?:localhost|(?:\d{1,3}\.){3}\d{1,3}|(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,})(?::\d{1,5})?$"
    )
    URL_PATH_STR_REGEX: ClassVar[re.Pattern[str]] = re.compile(r"^\/?[A-Za-z0-9\-._~\/]*$")
    KEY_REGEX: ClassVar[re.Pattern[str]] = re.compile(r"^[A-Za-z0-9_-]+$")
    SLUG_REGEX: ClassVar[re.Pattern[str]] = re.compile(r"^[a-z0-9-]+$")
    UNIX_PATH_REGEX: ClassVar[re.Pattern[str]] = re.compile(r"^\/[A-Za-z0-9_\-\/]+$")
    FILE_PATH_REGEX: ClassVar[re.Pattern[str]] = re.compile(r"^(?:\/|(?:[A-Z]:))[A-Za-z0-9_\-\/\\:]+$")
    # Lower case, upper case, a digit and something else; no white space.
    PASSWORD_REGEX: ClassVar[re.Pattern[str]] = re.compile(r"^(?=.*[a-z])(?=.*[A-Z])(?=.*\d)(?=.*[\W_])(?!.*\s).{8,}$")
    SECRET_KEY_REGEX: ClassVar[re.Pattern[str]] = re.compile(
        r"^(?=.*[a-z])(?=.*[A-Z])(?=.*\d)(?=.*[^a-zA-Z0-9])\S{32,}$"
    )
    MYSQL_NAME_REGEX: ClassVar[re.Pattern[str]] = re.compile(r"^[A-Za-z0-9_]+$")
    # What nobody sees: control characters but tab and line ends, and characters without width.
    CONTROL_CHAR_PATTERN: ClassVar[re.Pattern[str]] = re.compile(
        r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200d\ufeff]"
    )

    @classmethod
    def remove_invisible_chars(cls, text: str) -> str:
        """`text` without the characters that nobody sees."""
        return cls.CONTROL_CHAR_PATTERN.sub("", text)
