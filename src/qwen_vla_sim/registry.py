"""Which worlds there are, and what can be done in each.

A world is built for an embodiment that names it (``simulated_world``); rates, cameras' views and
channels may differ from embodiment to embodiment, joints and camera names may not.
"""

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.errors import EmbodimentError

from .tasks.task import Task
from .worlds.world import World

WORLDS = ("widowx",)


def make_world(embodiment: Embodiment) -> World:
    """The simulated world of a robot.

    Raises:
        EmbodimentError: there is none.
    """
    match _known(embodiment):
        case "widowx":
            from .worlds.widowx import make_widowx_world

            return make_widowx_world(embodiment)


def make_tasks(embodiment: Embodiment) -> dict[str, Task]:
    """What a robot can be told to do in its world: name -> task, the first is the usual one.

    Raises:
        EmbodimentError: it has no world.
    """
    match _known(embodiment):
        case "widowx":
            from .tasks.pick_up import PickUp

            return {"pick_up": PickUp(embodiment)}


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
        )
    return (tasks[name],)


def _known(embodiment: Embodiment) -> str:
    if embodiment.simulated_world not in WORLDS:
        raise EmbodimentError(
            f"{embodiment.name}: simulated_world is {embodiment.simulated_world}; "
            f"the simulator has {', '.join(WORLDS)}"
        )
    return embodiment.simulated_world
