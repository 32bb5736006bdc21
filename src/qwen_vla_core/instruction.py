"""What counts as an instruction: one line of text that a person wrote for the robot."""

from .errors import InstructionError

MAX_INSTRUCTION_CHARS = 512
"""Longest instruction accepted. Tasks are one sentence; the model's text window is short."""


def check_instruction(text: str) -> str:
    """Return ``text`` without surrounding white space.

    Raises:
        InstructionError: it is empty, longer than ``MAX_INSTRUCTION_CHARS``, or holds control
            characters.
    """
    instruction = text.strip()
    if not instruction:
        raise InstructionError(
            "the instruction is empty; say what to do, e.g. 'pick up the red block'"
        )
    if len(instruction) > MAX_INSTRUCTION_CHARS:
        raise InstructionError(
            f"the instruction has {len(instruction)} characters; "
            f"at most {MAX_INSTRUCTION_CHARS} are read"
        )
    bad = next((c for c in instruction if not c.isprintable()), None)
    if bad is not None:
        raise InstructionError(
            f"the instruction holds the control character {bad!r}; write one plain line"
        )
    return instruction
