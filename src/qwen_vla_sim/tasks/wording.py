"""The instructions of a task: the usual one, others of training, and those of tests only."""

import re
from dataclasses import dataclass
from functools import cache
from string import Formatter

import numpy as np

from qwen_vla_core.errors import InstructionError
from qwen_vla_core.instruction import normalize_instruction

from .shifts import FIRST_TRAINING_SEED, Shift


@dataclass(frozen=True, kw_only=True)
class Wording:
    """Templates with ``{slots}``, each filled by one word; all have the same slots.

    Attributes:
        trained: templates of the recordings; evaluation uses the first.
        unseen: templates of ``Shift.INSTRUCTION``, never trained on.
    """

    trained: tuple[str, ...]
    unseen: tuple[str, ...]

    def choose(self, seed: int, shift: Shift) -> str:
        """The template of the instructions in the scene of a seed."""
        rng = np.random.default_rng([seed, 2])
        if shift is Shift.INSTRUCTION:
            return self.unseen[rng.integers(len(self.unseen))]
        if seed < FIRST_TRAINING_SEED:
            return self.trained[0]
        return self.trained[rng.integers(len(self.trained))]

    def read(self, instruction: str) -> dict[str, str]:
        """Slot -> word, of a sentence in any of the wordings, however it is typed.

        Raises:
            InstructionError: it is none of them.
        """
        sentence = normalize_instruction(instruction)
        for template in (*self.trained, *self.unseen):
            if found := re.fullmatch(_pattern(template), sentence):
                return found.groupdict()
        raise InstructionError(f"'{instruction}' does not say, for example, '{self.trained[0]}'")


@cache
def _pattern(template: str) -> str:
    """A regular expression for the sentences of a template."""
    return "".join(
        re.escape(text) + (rf"(?P<{slot}>\w+)" if slot else "")
        for text, slot, _, _ in Formatter().parse(template)
    )
