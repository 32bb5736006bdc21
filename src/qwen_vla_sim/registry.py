"""Which worlds there are, and what can be done in each.

A world is built for an embodiment that names it (``simulated_world``); rates, cameras' views and
channels may differ from embodiment to embodiment, joints and camera names may not.
"""

from qwen_vla_core.did_you_mean import did_you_mean
from qwen_vla_core.embodiment import Embodiment
from qwen_vla_core.errors import EmbodimentError

from .tasks.task import Task
from .worlds.world import World

WORLDS = ("widowx", "aloha", "mobile_base", "widowx_mobile")


def make_world(embodiment: Embodiment) -> World:
    """The simulated world of a robot.

    Raises:
        EmbodimentError: there is none.
    """
    match _known(embodiment):
        case "widowx":
            from .worlds.widowx import make_widowx_world

            return make_widowx_world(embodiment)
        case "aloha":
            from .worlds.aloha import make_aloha_world

            return make_aloha_world(embodiment)
        case "mobile_base":
            from .worlds.mobile_base import make_mobile_base_world

            return make_mobile_base_world(embodiment)
        case "widowx_mobile":
            from .worlds.widowx_mobile import make_widowx_mobile_world

            return make_widowx_mobile_world(embodiment)


def make_tasks(embodiment: Embodiment) -> dict[str, Task]:
    """What a robot can be told to do in its world: name -> task, the first is the usual one.

    Raises:
        EmbodimentError: it has no world.
    """
    match _known(embodiment):
        case "widowx":
            from .tasks.pick_up import PickUp
            from .tasks.put_on_plate import PutOnPlate

            return {task.name: task for task in (PickUp(embodiment), PutOnPlate(embodiment))}
        case "aloha":
            from .tasks.aloha_cubes import HandOverCube, PickUpCube

            return {
                "pick_up_cube": PickUpCube(embodiment),
                "hand_over_cube": HandOverCube(embodiment),
            }
        case "mobile_base":
            from .tasks.go_to import GoTo, GoToSide

            return {"go_to": GoTo(embodiment), "go_to_side": GoToSide(embodiment)}
        case "widowx_mobile":
            from .tasks.fetch import Fetch

            return {"fetch": Fetch(embodiment)}


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


def _known(embodiment: Embodiment) -> str:
    if embodiment.simulated_world not in WORLDS:
        raise EmbodimentError(
            f"{embodiment.name}: simulated_world is {embodiment.simulated_world}; "
            f"the simulator has {', '.join(WORLDS)}"
        )
    return embodiment.simulated_world
