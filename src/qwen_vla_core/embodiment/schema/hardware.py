"""The robot's own packages: what brings up its drivers and cameras beside our nodes."""

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat, StrictBool, StrictInt, model_validator

from ...yaml_file import Strict, WrongKey
from .values import Name, Topic

Value = StrictBool | StrictInt | FiniteFloat | str
"""Of a launch argument or parameter. In a string, ``{package}`` is the share folder of ours or of
one in ``packages``."""


class Started(Strict):
    """One launch file of another package, or one of its nodes."""

    package: Name
    launch: Annotated[str, Field(pattern=r"^[^/\s]+$")] | None = None
    """File in the package's folder launch/, or:"""
    executable: Annotated[str, Field(pattern=r"^[^/\s]+$")] | None = None
    """A node of the package."""
    arguments: dict[Name, Value] = {}
    """Of the launch file."""
    name: Name | None = None
    """Of the node; null for its own."""
    namespace: Topic | None = None
    """Of the node, inside that of the robot."""
    parameters: dict[str, Value] = {}
    """Of the node."""
    needs: tuple[Name, ...] = ()
    """Further packages that it uses."""
    teleop: Literal["joy", "leader", "keyboard", "twist", "clutched_pose"] | None = None
    """Started only with this device of the robot's teleop section."""

    @model_validator(mode="after")
    def _launch_file_or_node(self) -> "Started":
        if (self.launch is None) == (self.executable is None):
            raise WrongKey("launch", "or executable says what is started; write one of them")
        keys = ("name", "namespace", "parameters") if self.launch else ("arguments",)
        for key in keys:
            if getattr(self, key):
                what = "a node" if self.launch else "a launch file"
                raise WrongKey(key, f"is of {what}, and this is none")
        return self


class Hardware(Strict):
    """What ``bringup_hardware:=true`` starts.

    Attributes:
        packages: name -> the command that brings it; all of them are looked for before anything
            is started.
    """

    packages: dict[Name, Annotated[str, Field(min_length=1)]]
    start: Annotated[tuple[Started, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _packages_known(self) -> "Hardware":
        for index, one in enumerate(self.start):
            for name in (one.package, *one.needs):
                if name not in self.packages:
                    raise WrongKey(
                        ("start", index, "package" if name == one.package else "needs"),
                        f"{name} is not in packages: write there how it is installed",
                    )
        return self
