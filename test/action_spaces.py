"""Action spaces that nothing was fitted to."""

from qwen_vla_core.embodiment import Embodiment
from qwen_vla_model.action_space import ActionSpace, relations_of


def action_space(embodiment: Embodiment, end: float) -> ActionSpace:
    """One whose quantiles are -end and end for every step and channel of a robot."""
    relations = relations_of(embodiment)
    ends = ((end,) * len(relations),) * embodiment.horizon
    return ActionSpace(
        relations=relations, q01=tuple(tuple(-e for e in step) for step in ends), q99=ends
    )
