"""The simulated mobile base in its room."""

from qwen_vla_core.embodiment import Embodiment

from .mobile_base_mjcf import mobile_base_mjcf
from .world import World


def make_mobile_base_world(embodiment: Embodiment) -> World:
    """A base like Trossen's SLATE, and things to go to."""
    return World(mobile_base_mjcf(), embodiment, xs_models={})
