"""The simulated WidowX on a mobile base, before its bench."""

from qwen_vla_core.embodiment import Embodiment

from ..hardware.xs_models import WX250S
from .widowx_mobile_mjcf import widowx_mobile_mjcf
from .world import World


def make_widowx_mobile_world(embodiment: Embodiment) -> World:
    """One wx250s on a base, blocks on a bench, and two cameras."""
    arm = next(group for group in embodiment.groups if not group.is_base)
    return World(widowx_mobile_mjcf(), embodiment, {arm.driver.namespace: WX250S})
