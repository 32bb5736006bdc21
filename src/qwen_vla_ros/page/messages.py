"""What a page may say over its websocket: one JSON object a frame, checked strictly."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, TypeAdapter, ValidationError

from qwen_vla_core.errors import QwenVlaError

from .requests import REQUESTS

LARGEST_BYTES = 8 * 1024
"""An instruction of 512 characters fits many times over."""

Number = Annotated[int, Field(ge=0, le=2**53)]
Axis = Annotated[FiniteFloat, Field(ge=-1.0, le=1.0)]


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Open(_Message):
    """The first message of a page."""

    type: Literal["open"]
    token: Annotated[str, Field(max_length=64)] = ""


class Seen(_Message):
    """A state was drawn where a person can see it; those before it are over."""

    type: Literal["seen"]
    number: Number


class Request(_Message):
    """A press of a button; ``id`` comes back with the answer."""

    type: Literal["request"]
    id: Number
    name: Annotated[str, Field(max_length=64)]


class Instruct(_Message):
    """The task in words."""

    type: Literal["instruct"]
    id: Number
    text: Annotated[str, Field(max_length=4096)]


class Keys(_Message):
    """Take or give back the keyboard of the robot."""

    type: Literal["keys"]
    id: Number
    on: bool


class Hands(_Message):
    """What the keys say now, in the layout of config/teleop/keyboard.yaml; several a second.

    ``number`` is that of the newest state that the page has received.
    """

    type: Literal["hands"]
    number: Number
    pressed: bool
    drive: bool
    next_arm: bool
    axes: Annotated[tuple[Axis, ...], Field(min_length=7, max_length=7)]


class Guard(_Message):
    """Whether the robot is to be held when nobody sees this page any more."""

    type: Literal["guard"]
    id: Number
    on: bool


Message = Open | Seen | Request | Instruct | Keys | Hands | Guard
_READER = TypeAdapter(Annotated[Message, Field(discriminator="type")])


class PageMessageError(QwenVlaError):
    """A frame that no page of ours sends."""


def read_message(frame: str | bytes) -> Message:
    """Read one frame.

    Raises:
        PageMessageError: it is none of the messages, or a value is out of range or not finite.
    """
    try:
        message = _READER.validate_json(frame)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise PageMessageError(f"{where or 'message'}: {first['msg']}") from None
    if isinstance(message, Request) and message.name not in REQUESTS:
        raise PageMessageError(f"there is no request '{message.name}'")
    return message
