"""What one file of config/backends/ says: where a model's server wants what, and in which units.

A key is a path: names of maps and numbers of list items, such as [images, cam_high]. openpi's
names with a stroke, such as observation/image, are one name: [observation/image].
"""

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat, model_validator

from qwen_vla_core.embodiment.linkage import LINKAGES
from qwen_vla_core.embodiment.schema.values import Name, Positive, Rotation, Vector3
from qwen_vla_core.yaml_file import Strict, WrongKey

Step = Annotated[str, Field(min_length=1)] | Annotated[int, Field(ge=0, le=7)]
Path = Annotated[tuple[Step, ...], Field(min_length=1)]
Signs = tuple[Literal[1, -1], ...]


class View(Strict):
    """Which camera is sent under which key."""

    camera: Name
    key: Path


class Images(Strict):
    """How images are sent: uint8 RGB."""

    width: Annotated[int, Field(ge=16, le=1024)]
    height: Annotated[int, Field(ge=16, le=1024)]
    layout: Literal["channels_first", "channels_last"]
    fit: Literal["pad", "stretch"]
    """``pad`` keeps the proportions and fills up with black (openpi's resize_with_pad)."""
    views: Annotated[tuple[View, ...], Field(min_length=1)]


class JointState(Strict):
    """The joints of a group, rad or m, each times its sign."""

    convention: Literal["joint_position"]
    group: Name
    signs: Signs | None = None


class OpeningState(Strict):
    """How far a gripper is open: numbers that go linearly from ``closed`` to ``open``."""

    convention: Literal["gripper_opening"]
    group: Name
    closed: Annotated[tuple[FiniteFloat, ...], Field(min_length=1)]
    open: Annotated[tuple[FiniteFloat, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _pairs(self) -> "OpeningState":
        if len(self.closed) != len(self.open):
            raise WrongKey("open", f"has {len(self.open)} values, but closed {len(self.closed)}")
        return self


class MotorState(Strict):
    """The angle of a gripper's motor, by its linkage from the finger: 0 and 1 are two angles."""

    convention: Literal["gripper_motor"]
    group: Name
    linkage: Literal[tuple(LINKAGES)]
    zero_rad: FiniteFloat
    one_rad: FiniteFloat

    @model_validator(mode="after")
    def _turns(self) -> "MotorState":
        if self.zero_rad == self.one_rad:
            raise WrongKey("one_rad", "is the same angle as zero_rad")
        return self


class ToolState(Strict):
    """Where a tool is in base_link, m, and how it is turned: six numbers.

    Of the two axes of an axis_angle it is the one whose x is positive, about which a tool may turn
    by more than pi: the shorter vector of one that points down would jump between pi and -pi.
    openpi's LIBERO does the same, because MuJoCo's quaternions do not change their sign.
    """

    convention: Literal["tool_pose"]
    group: Name
    rotation: Literal["euler", "axis_angle"]
    origin_m: Vector3 = (0.0, 0.0, 0.0)
    """Where base_link stands in the coordinates that the model knows."""
    tool_axes: Rotation | None = None
    """The model's axes of the tool as columns in ours; null where rotations are counted from the
    embodiment's zero_rotation, as BridgeData does."""


class JointAction(Strict):
    """Joint positions, rad or m, each times its sign."""

    convention: Literal["joint_position"]
    group: Name
    signs: Signs | None = None


class OffsetAction(Strict):
    """Joint positions as differences from the state that was sent, each times its sign."""

    convention: Literal["joint_offset"]
    group: Name
    signs: Signs | None = None


class VelocityAction(Strict):
    """Speeds from -1 to 1, and clipped to that: 1 moves a joint by ``step`` in an action step."""

    convention: Literal["joint_velocity"]
    group: Name
    step: Positive


class ToolAction(Strict):
    """Steps of the tool along the axes of base_link: [dx, dy, dz] and a rotation, times these."""

    convention: Literal["tool_delta"]
    group: Name
    rotation: Literal["euler", "axis_angle"]
    translation_m: Positive
    rotation_rad: Positive


class OpeningAction(Strict):
    """A gripper's opening, linear from ``closed`` to ``open``, and kept between them."""

    convention: Literal["gripper_opening"]
    group: Name
    closed: FiniteFloat
    open: FiniteFloat
    threshold: FiniteFloat | None = None
    """Where there is one, the gripper is only closed or open: what lies on the same side."""

    @model_validator(mode="after")
    def _two_ends(self) -> "OpeningAction":
        low, high = sorted((self.closed, self.open))
        if low == high:
            raise WrongKey("open", "is the same as closed")
        if self.threshold is not None and not low < self.threshold < high:
            raise WrongKey("threshold", f"{self.threshold:g} is not between closed and open")
        return self


StatePart = Annotated[
    JointState | OpeningState | MotorState | ToolState, Field(discriminator="convention")
]
ActionPart = Annotated[
    JointAction | OffsetAction | VelocityAction | ToolAction | OpeningAction,
    Field(discriminator="convention"),
]


class StateVector(Strict):
    """One array of the request: its parts one after the other."""

    key: Path
    parts: Annotated[tuple[StatePart, ...], Field(min_length=1)]


class Actions(Strict):
    """The array of the answer, [steps, numbers]: the parts of a step one after the other."""

    key: tuple[Step, ...]
    """Empty where the answer is the array."""
    parts: Annotated[tuple[ActionPart, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _each_group_once(self) -> "Actions":
        groups = [part.group for part in self.parts]
        if repeated := sorted({name for name in groups if groups.count(name) > 1}):
            raise WrongKey("parts", f"act twice on {', '.join(repeated)}")
        return self


class Backend(Strict):
    """One kind of server.

    Attributes:
        source: where the numbers come from.
        action_hz: rate of the model's action steps.
        horizon: steps of an answer.
        prompt: where the instruction goes.
        constants: what else every request says.
    """

    source: Annotated[str, Field(min_length=1)]
    action_hz: Positive
    horizon: Annotated[int, Field(ge=1, le=256)]
    prompt: Path
    images: Images
    states: tuple[StateVector, ...]
    actions: Actions
    constants: dict[str, str | bool | int] = {}

    @model_validator(mode="after")
    def _each_key_once(self) -> "Backend":
        keys = [self.prompt, *(view.key for view in self.images.views)]
        keys += [state.key for state in self.states] + [(name,) for name in self.constants]
        for key in keys:
            if any(other[: len(key)] == key for other in keys if other is not key):
                raise WrongKey((), f"{list(key)} is used twice")
        return self

    @property
    def chunk_s(self) -> float:
        """How long an answer lasts, s."""
        return self.horizon / self.action_hz
