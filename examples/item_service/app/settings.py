"""What this service can be told: the kit's settings and one of its own."""

from pydantic import Field

from vestibule.service import ServiceSettings


class Settings(ServiceSettings):
    """Read from the environment, from `<NAME>_FILE` for secrets, and from `.env`."""

    ITEMS_PER_ACCOUNT: int = Field(default=1_000, ge=1, description="How many items one account may keep.")


settings = Settings()
