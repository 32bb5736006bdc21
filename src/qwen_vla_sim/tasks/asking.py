"""Scenes in which one thing is asked for, as in a lab that begins with one instruction."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count

from qwen_vla_core.errors import InstructionError

from .shifts import Shift
from .task import Scene, Task

TRIED = 1000
"""Seeds in a row without a scene that asks for it; the rarest request comes 27 times in them."""
EXAMPLES = 3


def scenes_asking(
    tasks: Sequence[Task], instruction: str, first_seed: int, shift: Shift = Shift.NONE
) -> Iterator[Scene]:
    """The scenes of the seeds from ``first_seed`` on whose own instruction means this.

    They have the instruction as it is typed. There is no end to them.

    Args:
        tasks: seed by seed in turn.
        instruction: in any wording of a task.
    Raises:
        InstructionError: no scene asks for it; the message says what scenes ask for.
        ValueError: a shift of a training seed.
    """
    meant = [_meaning(task, instruction) for task in tasks]
    without: list[str] = []
    for seed in count(first_seed):
        turn = seed % len(tasks)
        scene = tasks[turn].sample(seed, shift)
        if _meaning(tasks[turn], scene.instruction) == meant[turn]:
            without.clear()
            yield replace(scene, instructions=(instruction, *scene.instructions[1:]))
            continue
        without.append(scene.instruction)
        if len(without) == TRIED:
            asked = ", ".join(f"'{other}'" for other in sorted(set(without))[:EXAMPLES])
            raise InstructionError(
                f"no scene of {', '.join(task.name for task in tasks)} asks for '{instruction}'; "
                f"they ask, for example, for {asked}"
            )


def _meaning(task: Task, instruction: str) -> dict[str, str] | None:
    """What an instruction names, whatever its wording; None if it is none of the task's."""
    try:
        return task.wording.read(instruction)
    except InstructionError:
        return None
