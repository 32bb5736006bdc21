"""From a text to YAML nodes, which know their lines, and to plain values.

Only plain YAML passes: no tags (they could build objects), no aliases (they could expand without
bound), no repeated keys, no ambiguous values (``scalars.py``).
"""

from typing import Any

import yaml
from yaml.composer import Composer

from ..errors import YamlFileError
from .problems import Location, Problem
from .scalars import scalar

MAX_DEPTH = 20
"""Deepest nesting accepted; a description of a robot needs 6."""


def compose(text: str, origin: str) -> yaml.MappingNode:
    """The nodes of a text.

    Raises:
        YamlFileError: it is not plain YAML, or not a mapping.
    """
    try:
        root = yaml.compose(text, Loader=_PlainLoader)
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error)
        line = mark.line + 1 if mark else 1
        raise YamlFileError(f"{origin}:{line}: not usable YAML: {problem}") from error
    if not isinstance(root, yaml.MappingNode):
        raise YamlFileError(f"{origin}:1: the file needs to be a mapping, key: value")
    return root


def plain_values(root: yaml.MappingNode, origin: str) -> dict[str, Any]:
    """The same as dicts, lists and scalars.

    Raises:
        YamlFileError: keys are repeated or not words, or values ambiguous; it names all of them.
    """
    refused: list[tuple[int, Problem]] = []
    values = _values(root, (), refused)
    if refused:
        lines = [f"{origin}:{line}: {problem.text(values)}" for line, problem in refused]
        raise YamlFileError("\n".join(lines))
    return values


class _PlainLoader(Composer, yaml.CSafeLoader):
    """Composes nodes, which keep line numbers, and stops at what plain YAML does not need.

    Composed here from the events of libyaml: PyYAML's own parser takes 60 ms for a robot's file.
    """

    def __init__(self, text: str):
        yaml.CSafeLoader.__init__(self, text)
        Composer.__init__(self)
        self.depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent):
            self._refuse(event, f"aliases (*{event.anchor}) are not allowed; write it out")
        if event.tag is not None:
            self._refuse(event, f"the tag {event.tag} is not allowed; plain values only")
        if self.depth >= MAX_DEPTH:
            self._refuse(event, "nested too deeply")
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    @staticmethod
    def _refuse(event: yaml.Event, problem: str) -> None:
        raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)


def _values(node: yaml.Node, location: Location, refused: list[tuple[int, Problem]]) -> Any:
    """Node tree to dicts, lists and scalars; what cannot be one is refused with its line."""

    def refuse(at: yaml.Node, where: Location, what: str) -> None:
        refused.append((at.start_mark.line + 1, Problem(location=where, what=what)))

    if isinstance(node, yaml.MappingNode):
        result: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                refuse(key, location, "a key must be a word")
                continue
            where = (*location, key.value)
            if key.value in result:
                refuse(key, where, "repeated key")
            result[key.value] = _values(value, where, refused)
        return result
    if isinstance(node, yaml.SequenceNode):
        items = enumerate(node.value)
        return [_values(item, (*location, index), refused) for index, item in items]
    try:
        return scalar(node)
    except ValueError as error:
        refuse(node, location, str(error))
        return None
