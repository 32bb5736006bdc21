"""Joints and the scale of channels."""

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat, model_validator

from ...yaml_file import Strict, WrongKey
from .values import Name, Positive


class Joint(Strict):
    """One joint and what it may do."""

    name: Name
    hardware_name: Name | None = None
    """What its driver calls it, where that differs: both arms of an ALOHA have a 'waist'."""
    unit: Literal["rad", "m"]
    lower: FiniteFloat
    upper: FiniteFloat
    velocity: Positive
    """Speed limit, unit/s."""
    acceleration: Positive
    """Acceleration limit, unit/s^2."""
    source: Annotated[str, Field(min_length=1)]
    """Where the numbers come from."""

    @property
    def driver_name(self) -> str:
        """What its driver calls it."""
        return self.hardware_name or self.name

    @model_validator(mode="after")
    def _ordered(self) -> "Joint":
        if self.lower >= self.upper:
            raise WrongKey("lower", f"{self.lower} is not below upper, {self.upper}")
        return self


class Quantiles(Strict):
    """The 1 % and 99 % quantiles that map native units onto [-1, 1], one pair per channel.

    The group that they belong to checks their order, since it knows the channels' names.
    """

    q01: tuple[FiniteFloat, ...]
    q99: tuple[FiniteFloat, ...]
    source: Annotated[str, Field(min_length=1)]

    @model_validator(mode="after")
    def _pairs(self) -> "Quantiles":
        if len(self.q01) != len(self.q99):
            raise WrongKey("q01", f"has {len(self.q01)} values, but q99 has {len(self.q99)}")
        return self
