"""One plain value of a YAML file: only what every reader and every YAML version reads alike.

PyYAML follows YAML 1.1, where ``yes`` is true, ``010`` is 8, ``1:30`` is 90 and ``1e3`` is text.
A person who writes one of these means something else, so they are refused, with what to write.
"""

import math
import re

import yaml

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+][0-9]+)?")
_LIKE_A_NUMBER = re.compile(r"[-+]?([0-9][0-9_]*[.,]?[0-9_]*|[.,][0-9]+)([eE][-+]?[0-9]+)?")
_WORDS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
LARGEST = 2**53
"""Whole numbers up to here are exact as floats."""

Scalar = str | int | float | bool | None


def scalar(node: yaml.ScalarNode) -> Scalar:
    """The value of a node.

    Raises:
        ValueError: it is ambiguous or not finite; the message says what to write.
    """
    text = node.value
    if node.style:  # in quotes, or a block of text
        return text
    match node.tag.rpartition(":")[2]:
        case "null":
            return None
        case "bool":
            if text in _WORDS:
                return _WORDS[text]
            meant = str(yaml.SafeLoader.bool_values[text.lower()]).lower()
            raise ValueError(
                f'{text} may be a word or {meant}; write {meant}, or "{text}" in quotes'
            )
        case "int":
            if _INTEGER.fullmatch(text):
                return _whole(text)
            raise _ambiguous(node)
        case "float":
            if _FLOAT.fullmatch(text):
                return _finite(text)
            if text.strip("+-").lower() in (".inf", ".nan"):
                raise ValueError(f"{text} is not finite; write a finite number")
            raise _ambiguous(node)
        case "timestamp":
            raise ValueError(f'{text} may be a date or a text; write "{text}" in quotes')
    if _LIKE_A_NUMBER.fullmatch(text):
        number = yaml.safe_dump(float(text.replace(",", ".").replace("_", ""))).split()[0]
        raise ValueError(
            f'{text} may be a number or a text; write {number}, or "{text}" in quotes'
        )
    return text


def _ambiguous(node: yaml.ScalarNode) -> ValueError:
    try:
        means = yaml.SafeLoader("").construct_object(node)
    except ValueError:
        return ValueError(f'{node.value} is no number; write "{node.value}" in quotes for a text')
    return ValueError(
        f"{node.value} is {means} to some YAML readers and not to others; write {means} for that, "
        f'or "{node.value}" in quotes for a text'
    )


def _whole(text: str) -> int:
    if len(text) > len(str(LARGEST)) + 1 or abs(int(text)) > LARGEST:
        raise ValueError(f"{text[:20]} is too large for a number here")
    return int(text)


def _finite(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError(f"{text} is too large for a number here")
    return value
