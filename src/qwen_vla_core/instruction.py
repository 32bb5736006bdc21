"""What counts as an instruction, and the one form in which policies are trained and run.

People type capitals, final dots and double spaces, say please, and copy typographic quotes and
invisible characters out of documents. None of it changes the task, but a small model that was
trained on ``pick up the red block`` does not do ``PICK UP THE RED BLOCK.``; so every sentence is
brought to one form, here and nowhere else.
"""

import re
import unicodedata
from functools import lru_cache

from .errors import InstructionError

MAX_INSTRUCTION_CHARS = 512
"""Longest instruction accepted. Tasks are one sentence; the model's text window is short."""

_PLAIN = str.maketrans(
    dict.fromkeys("‘’‚‛′ʼ`´‹›", "'")
    | dict.fromkeys("“”„‟″«»「」『』", '"')
    | dict.fromkeys("‐‑‒–—―−", "-")
    | {"\u200b": " "}  # a space that is not seen
)
_FINAL = " .,;:!?。、۔।"
"""What may end a sentence; the prompt brings its own dot."""
_QUOTES = "'\""
_ASKED = re.compile(
    r"(?:(?:please|kindly),? |(?:can|could|would|will) you (?!see\b)"
    r"|i(?: would|'d)? (?:want|like) you to )+"
)
"""How a sentence asks for what it asks for. "Can you see it" is a question about an image."""
_THANKED = re.compile(r"(?:,? (?:please|thanks|thank you))+$")


@lru_cache  # a simulated task reads the same few sentences at every step
def normalize_instruction(text: str) -> str:
    """The form in which policies are trained and run; doing it twice changes nothing.

    Lower case, words separated by single spaces, in one line, without final punctuation and
    quotes around the whole; without polite forms around it; plain quotes and hyphens;
    compatibility forms of letters (NFKC); without characters that only format (joiners, byte order
    marks, soft hyphens, directions).
    """
    while (plain := _normalize_once(text)) != text:
        text = plain
    return plain


def _normalize_once(text: str) -> str:
    text = unicodedata.normalize("NFKC", text.translate(_PLAIN).lower())
    text = "".join(c for c in text if unicodedata.category(c) != "Cf")
    text = " ".join(text.split()).rstrip(_FINAL)
    if len(text) > 1 and text[0] == text[-1] and text[0] in _QUOTES:
        text = text[1:-1].strip()
    asked = _THANKED.sub("", text[found.end() :] if (found := _ASKED.match(text)) else text)
    return asked or text


def check_instruction(text: str) -> str:
    """``text`` in the form of ``normalize_instruction``.

    Raises:
        InstructionError: it says nothing, is longer than ``MAX_INSTRUCTION_CHARS``, or holds
            control characters.
    """
    instruction = text.strip()
    if len(instruction) <= MAX_INSTRUCTION_CHARS:  # the rest is not worth the time
        instruction = normalize_instruction(instruction)
    if len(instruction) > MAX_INSTRUCTION_CHARS:
        raise InstructionError(
            f"the instruction has {len(instruction)} characters; "
            f"at most {MAX_INSTRUCTION_CHARS} are read"
        )
    if not any(c.isalnum() for c in instruction):
        raise InstructionError(
            "the instruction is empty; say what to do, e.g. 'pick up the red block'"
        )
    bad = next((c for c in instruction if not c.isprintable()), None)
    if bad is not None:
        raise InstructionError(
            f"the instruction holds the control character {bad!r}; write one plain line"
        )
    return instruction
