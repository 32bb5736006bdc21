"""The simulated WidowX on its table."""

from qwen_vla_core.embodiment import Embodiment

from ..hardware.xs_models import WX250S
from .widowx_mjcf import widowx_mjcf
from .world import World


def make_widowx_world(embodiment: Embodiment) -> World:
    """One wx250s, objects and two cameras, whose pictures have BridgeData's 256 x 256 pixels."""
    return World(
        widowx_mjcf(), embodiment, {embodiment.groups[0].driver.namespace: WX250S}, (256, 256)
    )
