"""Others' models: what a server that speaks openpi's protocol expects and answers, as YAML."""

from .adapter import Adapter
from .joint_space import in_joint_space
from .loader import describe_backend, find_backend, load_backend
from .schema import Backend

__all__ = [
    "Adapter",
    "Backend",
    "describe_backend",
    "find_backend",
    "in_joint_space",
    "load_backend",
]
