"""The robot's own packages as its embodiment names them, checked before anything is started."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.embodiment.schema import Started
from qwen_vla_core.resources import PACKAGE, share_directory

from .arguments import LaunchArgumentError

Value = bool | int | float | str
DEVICES = "/dev/"


@dataclass(frozen=True, kw_only=True)
class HardwareStart:
    """One launch file of another package, or one of its nodes.

    Attributes:
        launch_file: to include; None for a node.
        arguments: of the launch file, as launch takes them.
        executable, name, namespace, parameters: of the node; its name is None for its own.
    """

    package: str
    launch_file: Path | None = None
    arguments: Mapping[str, str] = field(default_factory=dict)
    executable: str = ""
    name: str | None = None
    namespace: str = ""
    parameters: Mapping[str, Value] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """What it is, for a message."""
        where = f" in {self.namespace}" if self.namespace else ""
        what = self.launch_file.name if self.launch_file else self.executable
        return f"{self.package}'s {what}{where}"


def describe_hardware(
    robot: Embodiment,
    file: Path,
    teleop: str,
    use_sim: bool,
    share_of: Callable[[str], Path | None],
) -> tuple[HardwareStart, ...]:
    """What brings up the drivers and cameras of a robot.

    Args:
        file: of the embodiment, for what is to be changed there.
        teleop: device with which a person may move it; "" for none.
        share_of: share folder of a package; None where it is not installed.
    Raises:
        LaunchArgumentError: the robot is simulated, or its file says nothing; packages, a launch
            file or a device are missing, each with what to do.
    """
    if use_sim:
        raise LaunchArgumentError(
            "bringup_hardware:=true starts the robot's drivers and use_sim:=true stands in for "
            "them: leave one of them out"
        )
    if robot.hardware is None:
        raise LaunchArgumentError(
            f"bringup_hardware:=true: {file} has no section 'hardware' that says which packages "
            "bring up its drivers and cameras: write one (docs/own_robot.md), or start them "
            "yourself"
        )
    wanted = [one for one in robot.hardware.start if one.teleop in (None, teleop)]
    needed = {name for one in wanted for name in (one.package, *one.needs)}
    shares = {name: share_of(name) for name in needed}
    if missing := [name for name in robot.hardware.packages if name in needed - _found(shares)]:
        lines = [f"  {name}: {robot.hardware.packages[name]}" for name in missing]
        raise LaunchArgumentError(
            "\n".join(["bringup_hardware:=true needs packages that are not installed:", *lines])
            + "\nWhat comes by git goes into the src folder of a workspace, which is then built "
            "and sourced; or start the drivers yourself and leave bringup_hardware out"
        )
    shares[PACKAGE] = share_directory()
    found = tuple(_start(one, shares) for one in wanted)
    for one in found:
        if one.launch_file is not None and not one.launch_file.is_file():
            raise LaunchArgumentError(
                f"{one.launch_file} is missing: {one.package} is another version than "
                f"hardware.start of {file} was written for; correct it there"
            )
        for key, value in {**one.arguments, **one.parameters}.items():
            if str(value).startswith(DEVICES) and not Path(str(value)).exists():
                raise LaunchArgumentError(
                    f"{key} of {one.words} is {value}, which does not exist: plug it in, or "
                    f"correct hardware.start in {file} (`ls -l /dev/v4l/by-id` shows cameras)"
                )
    return found


def _found(shares: Mapping[str, Path | None]) -> set[str]:
    return {name for name, share in shares.items() if share is not None}


def _start(one: Started, shares: Mapping[str, Path]) -> HardwareStart:
    """With the places of packages written in."""

    def written(value: Value) -> Value:
        if isinstance(value, str):
            for name, share in shares.items():
                value = value.replace("{" + name + "}", str(share))
        return value

    return HardwareStart(
        package=one.package,
        launch_file=shares[one.package] / "launch" / one.launch if one.launch else None,
        arguments={key: _text(written(value)) for key, value in one.arguments.items()},
        executable=one.executable or "",
        name=one.name,
        namespace=one.namespace or "",
        parameters={key: written(value) for key, value in one.parameters.items()},
    )


def _text(value: Value) -> str:
    """As launch takes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
