"""What a mistyped word was probably meant to be."""

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The one of ``known`` that ``word`` was probably meant to be; capitals do not matter."""
    by_lower = {name.lower(): name for name in known}
    found = difflib.get_close_matches(word.lower(), by_lower, n=1)
    return by_lower[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of an error message: ``; did you mean velocity?``, or nothing.

    Args:
        word: what somebody wrote.
        known: what is understood.
    """
    meant = nearest(word, known)
    return "" if meant is None else f"; did you mean {meant}?"
