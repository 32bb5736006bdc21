"""The simulated ALOHA on its table."""

from qwen_vla_core.embodiment import Embodiment

from ..hardware.xs_models import VX300S
from .aloha_mjcf import SIDES, aloha_mjcf
from .world import World


def make_aloha_world(embodiment: Embodiment) -> World:
    """Two vx300s followers, cubes and three cameras."""
    return World(aloha_mjcf(), embodiment, {f"follower_{side}": VX300S for side in SIDES})
