"""The base of everything that a YAML file describes."""

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """Refuses unknown keys, and is immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True)
