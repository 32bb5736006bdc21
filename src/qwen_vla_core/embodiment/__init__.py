"""Robots as data: schema, loading, prompt, channels, normalisation and kinematics."""

from .codec import EmbodimentCodec
from .describe import describe_embodiment
from .loader import find_embodiment, load_embodiment, parse_embodiment
from .new_file import write_new_embodiment
from .prompt import build_prompt
from .schema import Camera, Embodiment, Group, Joint
from .simulation import in_simulation

__all__ = [
    "Camera",
    "Embodiment",
    "EmbodimentCodec",
    "Group",
    "Joint",
    "build_prompt",
    "describe_embodiment",
    "find_embodiment",
    "in_simulation",
    "load_embodiment",
    "parse_embodiment",
    "write_new_embodiment",
]
