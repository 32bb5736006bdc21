"""Which worlds there are, and what can be done in each.

A world is built for an embodiment that names it (``simulated_world``); rates, cameras' views and
channels may differ from embodiment to embodiment, joints and camera names may not.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from qwen_vla_core.did_you_mean import did_you_mean
from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.errors import EmbodimentError

from .hardware.group_drivers import GROUP_DRIVERS
from .hardware.xs_models import VX300S, WX250S, XsModel
from .tasks.aloha_cubes import HandOverCube, PickUpCube
from .tasks.fetch import Fetch
from .tasks.go_to import GoTo, GoToSide
from .tasks.pick_up import PickUp
from .tasks.put_on_plate import PutOnPlate
from .tasks.task import Task
from .worlds.aloha_mjcf import aloha_mjcf
from .worlds.mobile_base_mjcf import mobile_base_mjcf
from .worlds.widowx_mjcf import widowx_mjcf
from .worlds.widowx_mobile_mjcf import widowx_mobile_mjcf
from .worlds.world import World


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """A world.

    Attributes:
        mjcf: gives it as text.
        arm: type of every arm in it.
        tasks: what can be done there; the first is the usual one.
    """

    mjcf: Callable[[], str]
    arm: XsModel | None
    tasks: tuple[Callable[[Embodiment], Task], ...]


WORLDS: Mapping[str, _Entry] = {
    "widowx": _Entry(mjcf=widowx_mjcf, arm=WX250S, tasks=(PickUp, PutOnPlate)),
    "aloha": _Entry(mjcf=aloha_mjcf, arm=VX300S, tasks=(PickUpCube, HandOverCube)),
    "mobile_base": _Entry(mjcf=mobile_base_mjcf, arm=None, tasks=(GoTo, GoToSide)),
    "widowx_mobile": _Entry(mjcf=widowx_mobile_mjcf, arm=WX250S, tasks=(Fetch,)),
}


def make_world(embodiment: Embodiment) -> World:
    """The simulated world of a robot.

    Raises:
        EmbodimentError: there is none, or not with these drivers.
    """
    entry = _find(embodiment)
    drivers = [group.driver for group in embodiment.groups]
    if not_simulated := {driver.type for driver in drivers} - set(GROUP_DRIVERS):
        raise EmbodimentError(
            f"{embodiment.name}: the simulator has no driver '{not_simulated.pop()}'; set "
            "simulated_world to null"
        )
    arms = [driver.namespace for driver in drivers if driver.type == "interbotix_group"]
    return World(entry.mjcf(), embodiment, dict.fromkeys(arms, entry.arm))


def make_tasks(embodiment: Embodiment) -> dict[str, Task]:
    """The tasks of a robot in its world: name -> task, the first is the usual one.

    Raises:
        EmbodimentError: it has no world.
    """
    tasks = (make(embodiment) for make in _find(embodiment).tasks)
    return {task.name: task for task in tasks}


def find_tasks(embodiment: Embodiment, name: str | None) -> tuple[Task, ...]:
    """One task by name; all of a robot's where no name is given.

    Raises:
        EmbodimentError: it has no world, or no such task.
    """
    tasks = make_tasks(embodiment)
    if name is None:
        return tuple(tasks.values())
    if name not in tasks:
        raise EmbodimentError(
            f"{embodiment.name} has no task '{name}'; there are {', '.join(tasks)}"
            f"{did_you_mean(name, tasks)}"
        )
    return (tasks[name],)


def _find(embodiment: Embodiment) -> _Entry:
    if embodiment.simulated_world not in WORLDS:
        raise EmbodimentError(
            f"{embodiment.name}: simulated_world is {embodiment.simulated_world}; "
            f"the simulator has {', '.join(WORLDS)}"
        )
    return WORLDS[embodiment.simulated_world]
