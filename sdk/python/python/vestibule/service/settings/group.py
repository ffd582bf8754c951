"""What groups of settings are made of."""

from pydantic import BaseModel, ConfigDict


class FieldGroup(BaseModel):
    """Some settings that belong together. They are merged into one class, so that none needs a validator of its own."""

    model_config = ConfigDict(defer_build=True)
