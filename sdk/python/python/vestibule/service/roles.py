"""The five roles and their order."""

from __future__ import annotations

from enum import Enum


class Role(str, Enum):
    """What an account may do. Compared by rank: `Role.ADMIN > Role.WRITER`."""

    USER = "user"
    READER = "reader"
    WRITER = "writer"
    ADMIN = "admin"
    SUPERADMIN = "superadmin"

    rank: int
    """The place in the order, from 0 (`user`) to 4 (`superadmin`)."""

    def __new__(cls, value: str) -> Role:
        """Numbers the roles as they are listed."""
        role = str.__new__(cls, value)
        role._value_ = value
        role.rank = len(cls.__members__)
        return role

    def covers(self, required: Role | str) -> bool:
        """Whether who has this role passes where `required` is demanded.

        Raises:
            ValueError: `required` is no role.
        """
        return self.rank >= Role(required).rank

    def __str__(self) -> str:
        return str.__str__(self)

    # A `str` compares by spelling, and by spelling `admin` is less than `user`.
    def __lt__(self, other: str) -> bool:
        return self.rank < Role(other).rank

    def __le__(self, other: str) -> bool:
        return self.rank <= Role(other).rank

    def __gt__(self, other: str) -> bool:
        return self.rank > Role(other).rank

    def __ge__(self, other: str) -> bool:
        return self.rank >= Role(other).rank
