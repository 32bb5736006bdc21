"""A whole robot."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ...yaml_file import Strict, WrongKey
from .action import EeDelta
from .camera import LONGEST_HISTORY_S, Camera
from .collision import BASE_LINK, Collision
from .group import Group
from .hardware import Hardware
from .joint import Joint
from .teleop import Teleop
from .values import Name, Positive
from .watchdogs import Watchdogs

LOWEST_BASE_HZ = 5.0
"""A SLATE stops when it receives nothing for 300 ms (interbotix slate_base), diff_drive_controller
after 500 ms."""


class PromptWords(Strict):
    """The words of the embodiment prompt (Qwen-VLA, section 2.3)."""

    robot_tag: Annotated[str, Field(min_length=1, max_length=64)]
    arms: Literal["none", "single", "dual"]
    waist: bool = False
    mobile_base: bool = False

    @model_validator(mode="after")
    def _something_to_say(self) -> "PromptWords":
        if self.arms == "none" and not self.mobile_base:
            raise WrongKey("arms", "is none and there is no mobile_base; nothing could act")
        return self


class Embodiment(Strict):
    """One robot.

    Attributes:
        simulated_world: which world of the simulator has this robot; null where none has.
        action_hz: rate of the model's action steps.
        command_hz: rate at which commands are streamed to the hardware.
        horizon: action steps per chunk (H).
        jump_limit: largest distance between the current command and a chunk's first reachable
            target, joint units; beyond it the chunk is refused whole.
        collision: what its arms are kept off; None where only their workspaces are watched.
        teleop: with what a person may move it; None where teleop/command comes from elsewhere.
        hardware: what brings up its drivers and cameras; None where that is left to others.
    """

    name: Name
    simulated_world: Name | None = None
    prompt_words: PromptWords
    action_hz: Positive
    command_hz: Positive
    horizon: Annotated[int, Field(ge=1, le=64)]
    jump_limit: Positive
    cameras: Annotated[tuple[Camera, ...], Field(min_length=1)]
    groups: Annotated[tuple[Group, ...], Field(min_length=1)]
    watchdogs: Watchdogs
    collision: Collision | None = None
    teleop: Teleop | None = None
    hardware: Hardware | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "Embodiment":
        for location, names in (
            (("groups", "joint"), self.joint_names),
            (("cameras", "name"), tuple(camera.name for camera in self.cameras)),
            (("cameras", "tag"), tuple(camera.tag for camera in self.cameras)),
            (("cameras", "topic"), tuple(camera.topic for camera in self.cameras)),
            (("groups", "name"), tuple(group.name for group in self.groups)),
        ):
            if repeated := sorted({name for name in names if names.count(name) > 1}):
                raise WrongKey(location[0], f"repeated {location[1]}: {', '.join(repeated)}")
        for index, camera in enumerate(self.cameras):
            if max(camera.history_s(self.action_hz), default=0.0) > LONGEST_HISTORY_S:
                raise WrongKey(
                    ("cameras", index, "history_steps"),
                    f"{list(camera.history_steps)} at {self.action_hz:g} Hz go back beyond "
                    f"{LONGEST_HISTORY_S:g} s",
                )
        if self.cameras[0].optional:
            raise WrongKey(
                ("cameras", 0, "optional"),
                "the first camera is not optional, so that there is always an image",
            )
        for index, group in enumerate(self.groups):
            if isinstance(group.action, EeDelta) and group.action.frame is not None:
                self._check_frame(index, group.action.frame.camera)
        if self.command_hz < self.action_hz:
            raise WrongKey(
                "command_hz", f"{self.command_hz:g} is below action_hz {self.action_hz:g}"
            )
        if sum(group.is_base for group in self.groups) > 1:
            raise WrongKey("groups", "more than one drives a base; a robot has one")
        if any(self.base_D) and self.command_hz < LOWEST_BASE_HZ:
            raise WrongKey(
                "command_hz",
                f"{self.command_hz:g} is below {LOWEST_BASE_HZ:g}: the base would time out "
                "between commands",
            )
        return self

    @model_validator(mode="after")
    def _watchdogs_fit(self) -> "Embodiment":
        self.watchdogs.check_fit(
            arms=not all(self.base_D),
            base=self.base is not None,
            step_s=self.action_step_s,
            chunk_s=self.horizon * self.action_step_s,
        )
        for group in self.groups:
            group.driver.check_rate(self.command_hz, self.watchdogs)
        return self

    @model_validator(mode="after")
    def _teleop_fits(self) -> "Embodiment":
        if self.teleop is not None:
            kinds = {group.name: group.teleop_kind for group in self.groups}
            self.teleop.check_fit(self.joint_names, kinds)
        return self

    @model_validator(mode="after")
    def _collision_fits(self) -> "Embodiment":
        groups = {group.name: group for group in self.groups}
        shapes = () if self.collision is None else self.collision.arms
        named: list[str] = []
        for index, shape in enumerate(shapes):
            location = ("collision", "arms", index)
            for name in shape.groups:
                chain = getattr(getattr(groups.get(name), "action", None), "kinematics", None)
                if chain is None or name in named:
                    what = "named twice" if chain else "no group with kinematics"
                    raise WrongKey((*location, "groups"), f"{name} is {what}")
                named.append(name)
                links = (BASE_LINK, *(joint.driver_name for joint in groups[name].joints))
                for number, capsule in enumerate(shape.capsules):
                    if capsule.link not in links:
                        raise WrongKey(
                            (*location, "capsules", number, "link"),
                            f"{name} has no link {capsule.link}; there are {', '.join(links)}",
                        )
        return self

    @model_validator(mode="after")
    def _each_motor_once(self) -> "Embodiment":
        carried: dict[str, str] = {}
        for index, group in enumerate(self.groups):
            if group.is_base:
                continue
            driver = group.driver
            names = [
                (f"{driver.joint_states_topic}/{joint.driver_name}", f"joint {joint.name}")
                for joint in group.joints
            ]
            for name, words in driver.occupies.items():
                names.append((name, f"{words} of group {group.name}"))
            for name, what in names:
                if name in carried:
                    raise WrongKey(
                        ("groups", index),
                        f"{what} and {carried[name]} are the same {name}; give each joint its "
                        "own hardware_name, and each driver its own namespace or controller",
                    )
                carried[name] = what
        return self

    def _check_frame(self, group: int, camera_name: str) -> None:
        location = ("groups", group, "action", "frame", "camera")
        tags = {camera.name: camera.tag for camera in self.cameras}
        if camera_name not in tags:
            raise WrongKey(
                location, f"there is no camera {camera_name}; there are {', '.join(tags)}"
            )
        if "wrist" in tags[camera_name]:
            raise WrongKey(
                location,
                f"{camera_name} moves with a wrist, so its axes are no frame; name one that "
                "stands still",
            )

    @property
    def base(self) -> Group | None:
        """The group that drives a base, if there is one."""
        return next((group for group in self.groups if group.is_base), None)

    @property
    def base_D(self) -> tuple[bool, ...]:
        """For each joint, whether it belongs to a mobile base."""
        return tuple(group.is_base for group in self.groups for _ in group.joints)

    @property
    def joints(self) -> tuple[Joint, ...]:
        return tuple(joint for group in self.groups for joint in group.joints)

    @property
    def joint_names(self) -> tuple[str, ...]:
        return tuple(joint.name for joint in self.joints)

    @property
    def start_D(self) -> tuple[float, ...]:
        """The start pose of all joints, joint units; 0 for those of a base, which stays."""
        return tuple(
            position
            for group in self.groups
            for position in group.start or (0.0,) * len(group.joints)
        )

    @property
    def action_channels(self) -> tuple[str, ...]:
        return tuple(channel for group in self.groups for channel in group.action_channels)

    @property
    def state_channels(self) -> tuple[str, ...]:
        return tuple(channel for group in self.groups for channel in group.state_channels)

    @property
    def action_step_s(self) -> float:
        return 1.0 / self.action_hz

    @property
    def replan_steps(self) -> int:
        """Action steps from one observation to the next: a quarter of a chunk, or fewer.

        At most half the time that an observation may be acted on, so that the next chunk is there
        before that ends.
        """
        within = int(self.watchdogs.observation_s / 2.0 * self.action_hz + 1e-9)
        return max(1, min(self.horizon // 4, within))

    def group_slice(self, name: str) -> slice:
        """Where the joints of group ``name`` stand among ``joint_names``."""
        start = 0
        for group in self.groups:
            if group.name == name:
                return slice(start, start + len(group.joints))
            start += len(group.joints)
        raise KeyError(name)
