"""Whether requests are counted."""

from pydantic import BaseModel


class ObservabilitySettingsMixin(BaseModel):
    """Settings of metrics; stands before `CommonSettings`."""

    METRICS_ENABLED: bool = False
    METRICS_GROUPS: str = "all"
