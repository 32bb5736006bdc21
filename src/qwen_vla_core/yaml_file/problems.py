"""What pydantic found wrong, in plain words, and only what has a cause of its own."""

import re
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from ..did_you_mean import did_you_mean, nearest

Location = tuple[str | int, ...]


class WrongKey(ValueError):
    """Raised by a validator of a model: what is wrong, and at which of the keys below it."""

    def __init__(self, location: str | Location, what: str) -> None:
        super().__init__(what)
        self.location = (location,) if isinstance(location, str) else location


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One mistake: where in the file (keys, and numbers of items), and what."""

    location: Location
    what: str

    def text(self, values: Any) -> str:
        """``key: what``; items of ``values`` that have a name go by it and not by their number."""
        keys = []
        for step in self.location:
            values = _inside(values, step)
            keys.append(step if isinstance(step, str) else _name(values) or str(step))
        return f"{'.'.join(keys)}: {self.what}" if keys else self.what


def problems_in(error: ValidationError, model: type[BaseModel], values: Any) -> list[Problem]:
    """The mistakes behind a validation error, each once.

    Args:
        error: what pydantic says of ``values``.
        model: what they were checked against.
        values: what the file holds.
    """
    found: dict[Location, list[str]] = {}
    meant: set[Location] = set()
    for part in error.errors(include_url=False):
        location = _in_file(part, values)
        what = _WORDS.get(part["type"], _other)(part)
        if part["type"] == "extra_forbidden":
            known = _fields(model, part["loc"][:-1])
            meant.add((*location[:-1], nearest(location[-1], known)))
            what += did_you_mean(location[-1], known)
        if what not in found.setdefault(location, []):
            found[location].append(what)
    return [
        Problem(location=location, what=", or ".join(words))
        for location, words in found.items()
        if not _follows(location, words, found, meant)
    ]


def _follows(
    location: Location, words: list[str], found: dict[Location, Any], meant: set[Location]
) -> bool:
    """Whether a mistake is only what another one led to.

    A list counts as too short when none of its items passed, every branch of a union fails when
    the right one did, and a key is missing when it is there with a slip of the pen.
    """
    below = any(
        len(other) > len(location) and other[: len(location)] == location for other in found
    )
    return below or (location in meant and words == ["is missing"])


def _in_file(part: dict[str, Any], values: Any) -> Location:
    """Where it is: pydantic's location without the names of the branches of unions."""
    location, value = [], values
    steps = part["loc"]
    for step in steps:
        if isinstance(step, int) or (isinstance(value, dict) and step in value):
            location.append(step)
            value = _inside(value, step)
    if part["type"] == "missing":
        if isinstance(steps[-1], int):
            location.pop()  # of a list with too few values
        elif not location or location[-1] != steps[-1]:
            location.append(steps[-1])
    context = part.get("ctx", {})
    if "discriminator" in context:
        location.append(context["discriminator"].strip("'"))
    if isinstance(context.get("error"), WrongKey):
        location.extend(context["error"].location)
    return tuple(location)


def _inside(value: Any, step: str | int) -> Any:
    try:
        return value[step]
    except (KeyError, IndexError, TypeError):
        return None


def _name(item: Any) -> str | None:
    names = [item.get(key) for key in ("name", "joint")] if isinstance(item, dict) else []
    return next((name for name in names if isinstance(name, str) and name), None)


def _fields(model: type[BaseModel], location: Location) -> set[str]:
    """Every key that is known at a place; where several models may stand, those of all."""
    models = [model]
    for step in location:
        if below := [m for known in models for m in _models_in(known, step)]:
            models = below
        else:  # the number of an item, a key of a dict, or the branch of a union
            models = [m for m in models if step in _tags(m)] or models
    return {name for known in models for name in known.model_fields}


def _models_in(model: type[BaseModel], key: str | int) -> list[type[BaseModel]]:
    field = model.model_fields.get(key) if isinstance(key, str) else None
    return [] if field is None else _models(field.annotation)


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def _tags(model: type[BaseModel]) -> set[Any]:
    return {tag for field in model.model_fields.values() for tag in get_args(field.annotation)}


def _needs(what: str):
    return lambda part: f"needs {what}, not {_shown(part['input'])}"


def _bound(words: str, key: str):
    return lambda part: f"needs to be {words} {part['ctx'][key]:g}, not {part['input']:g}"


def _text(part: dict[str, Any]) -> str:
    value = part["input"]
    quotes = f'; write "{_shown(value)}" in quotes' if not isinstance(value, dict | list) else ""
    return f"needs a text, not {_shown(value)}{quotes}"


def _choice(part: dict[str, Any]) -> str:
    context = part["ctx"]
    choices = re.findall(r"'([^']*)'", context.get("expected_tags") or context["expected"])
    value = context.get("tag") or part["input"]
    return f"{_shown(value)} is none of {', '.join(choices)}{did_you_mean(str(value), choices)}"


def _length(part: dict[str, Any]) -> str:
    context, value = part["ctx"], part["input"]
    count = len(value) if isinstance(value, list | dict) else context["actual_length"]
    if "min_length" in context:
        return f"needs at least {context['min_length']} of them, not {count}"
    return f"has {count} values, and takes {context['max_length']}"


def _missing(part: dict[str, Any]) -> str:
    value = part["input"]
    return f"has {len(value)} values, too few" if isinstance(value, list) else "is missing"


def _other(part: dict[str, Any]) -> str:
    return str(part.get("ctx", {}).get("error") or part["msg"])


_WORDS = {
    "missing": _missing,
    "union_tag_not_found": lambda part: "is missing",
    "extra_forbidden": lambda part: "unknown key",
    "float_type": _needs("a number"),
    "int_type": _needs("a whole number"),
    "int_from_float": _needs("a whole number"),
    "bool_type": _needs("true or false"),
    "string_type": _text,
    "path_type": _text,
    "tuple_type": _needs("a list"),
    "dict_type": _needs("keys and values"),
    "model_type": _needs("keys and values"),
    "model_attributes_type": _needs("keys and values"),
    "finite_number": _needs("a finite number"),
    "greater_than": _bound("above", "gt"),
    "greater_than_equal": _bound("at least", "ge"),
    "less_than": _bound("below", "lt"),
    "less_than_equal": _bound("at most", "le"),
    "string_too_short": lambda part: "is empty",
    "string_too_long": lambda part: f"is longer than {part['ctx']['max_length']} characters",
    "too_short": _length,
    "too_long": _length,
    "literal_error": _choice,
    "union_tag_invalid": _choice,
}
"""Kind of pydantic's error -> what to say of it."""


def _shown(value: Any) -> str:
    """A value as a YAML file has it."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case dict():
            return "keys and values"
        case list():
            return "a list"
    return str(value) if isinstance(value, int | float) else f"'{value}'"
