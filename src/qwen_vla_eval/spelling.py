"""The sentences of scenes as people may type them, to measure what that makes of a policy."""

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qwen_vla_sim.tasks.task import Scene

SPELLINGS = {
    "upper": str.upper,
    "capital": str.capitalize,
    "dot": "{}.".format,
    "polite": "Could you please {}?".format,
    "spaces": lambda sentence: sentence.replace(" ", "  "),
}
"""Name -> what it makes of a sentence."""


def respelled(scene: "Scene", spelling: str | None) -> "Scene":
    """The scene with all its sentences in one of ``SPELLINGS``; as it is where that is None."""
    if spelling is None:
        return scene
    spell = SPELLINGS[spelling]
    return replace(scene, instructions=tuple(spell(text) for text in scene.instructions))
