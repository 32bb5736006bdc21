"""A whole robot."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from .action import EeDelta
from .camera import LONGEST_HISTORY_S, Camera
from .driver import InterbotixGroup
from .group import Group
from .joint import Joint
from .values import Name, Positive, Strict

LONGEST_BASE_OBSERVATION_S = 1.0
"""A base drives on for that long at most after what it saw; at 0.5 m/s that is half a metre."""
LOWEST_BASE_HZ = 5.0
"""A SLATE stops when it hears nothing for 300 ms (interbotix slate_base), diff_drive_controller
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
            raise ValueError("arms is none and there is no mobile_base; nothing could act")
        return self


class Watchdogs(Strict):
    """How long each part may be silent, s. Zero does not exist: silence is always a fault."""

    joint_states_s: Positive | None = None
    """Of every joint state topic; None for a robot that is a base alone."""
    odometry_s: Positive | None = None
    """Of the base's odometry; None for a robot without a base."""
    camera_skew_s: Positive
    """Largest time between the views of one observation."""
    frozen_camera_s: Positive | None
    """New stamps with identical pixels for this long count as a frozen camera; null in simulation,
    where a still scene really is identical."""
    teleop_s: Positive
    observation_s: Positive
    """Longest age of the observation whose chunk is being followed, from its stamp on; older, the
    robot holds. At most a chunk, and at most ``LONGEST_BASE_OBSERVATION_S`` with a base."""
    policy_s: Positive
    """How old the last chunk may be when a person engages, and how long autonomy waits, holding,
    for a chunk that continues; then a person must engage again."""
    estop_heartbeat_s: Positive | None = None
    """Each publisher of ``estop`` repeats itself at least that often; one that falls silent for
    longer counts as pressed. None: it speaks only when it is pressed or released."""


class Embodiment(Strict):
    """One robot.

    Attributes:
        simulated_world: which world of the simulator has this robot; None where none has.
        action_hz: rate of the model's action steps.
        command_hz: rate at which commands are streamed to the hardware.
        horizon: action steps per chunk (H).
        jump_limit: largest distance between the current command and a chunk's first reachable
            target, joint units; beyond it the chunk is refused whole.
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

    @model_validator(mode="after")
    def _consistent(self) -> "Embodiment":
        for what, names in (
            ("joint", self.joint_names),
            ("camera", tuple(camera.name for camera in self.cameras)),
            ("camera tag", tuple(camera.tag for camera in self.cameras)),
            ("camera topic", tuple(camera.topic for camera in self.cameras)),
            ("group", tuple(group.name for group in self.groups)),
        ):
            repeated = {name for name in names if names.count(name) > 1}
            if repeated:
                raise ValueError(f"repeated {what}: {', '.join(sorted(repeated))}")
        for camera in self.cameras:
            if max(camera.history_s(self.action_hz), default=0.0) > LONGEST_HISTORY_S:
                raise ValueError(
                    f"camera {camera.name}: history_steps {list(camera.history_steps)} at "
                    f"{self.action_hz:g} Hz go back beyond {LONGEST_HISTORY_S:g} s"
                )
        if self.cameras[0].optional:
            raise ValueError(
                f"camera {self.cameras[0].name}: the first camera is not optional, so that there "
                "is always a picture"
            )
        for group in self.groups:
            if isinstance(group.action, EeDelta) and group.action.frame is not None:
                self._check_frame(group.name, group.action.frame.camera)
        if self.command_hz < self.action_hz:
            raise ValueError(f"command_hz {self.command_hz} is below action_hz {self.action_hz}")
        if sum(group.is_base for group in self.groups) > 1:
            raise ValueError("more than one group drives a base; a robot has one")
        if any(self.base_D) and self.command_hz < LOWEST_BASE_HZ:
            raise ValueError(
                f"command_hz {self.command_hz} is below {LOWEST_BASE_HZ}: the base would time out "
                "between commands"
            )
        return self

    @model_validator(mode="after")
    def _watchdogs_fit(self) -> "Embodiment":
        for key, measured in (
            ("joint_states_s", not all(self.base_D)),
            ("odometry_s", self.base is not None),
        ):
            if (getattr(self.watchdogs, key) is not None) != measured:
                what = "missing" if measured else "of something that this robot has not; remove it"
                raise ValueError(f"watchdogs: {key} is {what}")
        chunk_s = self.horizon * self.action_step_s
        longest_s = chunk_s if self.base is None else min(chunk_s, LONGEST_BASE_OBSERVATION_S)
        observation_s = self.watchdogs.observation_s
        if observation_s > longest_s + 1e-9:
            raise ValueError(
                f"watchdogs: observation_s {observation_s:g} is above {longest_s:g}: at most a "
                f"chunk, {chunk_s:g} s, and at most {LONGEST_BASE_OBSERVATION_S:g} s with a base"
            )
        if observation_s <= self.action_step_s:
            raise ValueError(
                f"watchdogs: observation_s {observation_s:g} is no longer than an action step, "
                f"{self.action_step_s:g} s; no chunk would be followed to the next one"
            )
        return self

    @model_validator(mode="after")
    def _each_motor_once(self) -> "Embodiment":
        carried: dict[tuple[str, str], str] = {}
        for group in self.groups:
            if group.is_base:
                continue
            # A gripper's motor and its finger are two names of one thing.
            names = [(joint.driver_name, f"joint {joint.name}") for joint in group.joints]
            if not isinstance(group.driver, InterbotixGroup):
                motor = group.driver.motor
                names.append((motor, f"motor {motor} of group {group.name}"))
            for name, what in names:
                key = (group.driver.namespace, name)
                if key in carried:
                    raise ValueError(
                        f"{what} and {carried[key]} are the same {'/'.join(key)}; give each its "
                        "own hardware_name, or each driver its own namespace"
                    )
                carried[key] = what
        return self

    def _check_frame(self, group: str, camera_name: str) -> None:
        tags = {camera.name: camera.tag for camera in self.cameras}
        if camera_name not in tags:
            raise ValueError(
                f"group {group}: frame names the camera {camera_name}; there are {', '.join(tags)}"
            )
        if "wrist" in tags[camera_name]:
            raise ValueError(
                f"group {group}: the camera {camera_name} moves with a wrist, so its axes are no "
                "frame; name one that stands still"
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
