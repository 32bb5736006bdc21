"""From a YAML file to a checked Embodiment, with errors that name file, line and key.

Only plain YAML passes: no tags (they could build objects), no aliases (they could expand without
bound), no repeated keys, at most 1 MB.
"""

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from ..errors import EmbodimentError
from .schema import Embodiment

MAX_FILE_BYTES = 1_000_000
MAX_DEPTH = 20
"""Deepest nesting accepted; a description needs 6."""


def load_embodiment(path: Path) -> Embodiment:
    """Read and check one embodiment description.

    Raises:
        EmbodimentError: with file, line and key of everything that is wrong.
    """
    return parse_embodiment(_read(path), str(path))


def parse_embodiment(text: str, origin: str) -> Embodiment:
    """Check a description given as text; ``origin`` is what errors call the file.

    Raises:
        EmbodimentError: as ``load_embodiment``.
    """
    root = _compose(text, origin)
    try:
        return Embodiment.model_validate(_plain(root, origin))
    except ValidationError as error:
        lines = [
            f"{origin}:{_line(root, part['loc'])}: {_key(part['loc'])}: {part['msg']}"
            for part in error.errors(include_url=False)
        ]
        raise EmbodimentError("\n".join(lines)) from error


def find_embodiment(name_or_path: str, folder: Path) -> Path:
    """The file that ``name_or_path`` means: a path to a YAML file, or a name in ``folder``.

    Raises:
        EmbodimentError: there is none; the message lists the names there are.
    """
    if name_or_path.endswith((".yaml", ".yml")):
        return Path(name_or_path)
    path = folder / f"{name_or_path}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in folder.glob("*.yaml"))) or "none"
        raise EmbodimentError(f"no embodiment '{name_or_path}' in {folder}; there are: {known}")
    return path


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise EmbodimentError(
                f"{path}: larger than {MAX_FILE_BYTES} bytes; not an embodiment file"
            )
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise EmbodimentError(f"{path}: cannot be read ({error})") from error


class _PlainLoader(yaml.SafeLoader):
    """Composes nodes, which keep line numbers, and stops at what plain YAML does not need."""

    depth = 0

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


def _compose(text: str, origin: str) -> yaml.Node:
    try:
        root = yaml.compose(text, Loader=_PlainLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error)
        line = mark.line + 1 if mark else 1
        raise EmbodimentError(f"{origin}:{line}: not usable YAML: {problem}") from error
    if not isinstance(root, yaml.MappingNode):
        raise EmbodimentError(f"{origin}:1: an embodiment is a mapping of keys, and this is not")
    return root


def _plain(node: yaml.Node, origin: str) -> Any:
    """Node tree to dicts, lists and scalars; repeated and non-text keys are refused."""
    if isinstance(node, yaml.MappingNode):
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise EmbodimentError(f"{origin}:{line}: a key must be a word")
            if key_node.value in result:
                raise EmbodimentError(f"{origin}:{line}: {key_node.value}: repeated key")
            result[key_node.value] = _plain(value_node, origin)
        return result
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, origin) for item in node.value]
    try:
        return yaml.SafeLoader("").construct_object(node)
    except (yaml.YAMLError, ValueError) as error:
        raise EmbodimentError(
            f"{origin}:{node.start_mark.line + 1}: {node.value}: {error}"
        ) from error


def _line(root: yaml.Node, location: tuple[str | int, ...]) -> int:
    """Line of the deepest node on the way to ``location``; pydantic's union tags are skipped."""
    node, line = root, root.start_mark.line + 1
    for step in location:
        if isinstance(node, yaml.MappingNode):
            for key_node, value_node in node.value:
                if key_node.value == step:
                    node, line = value_node, key_node.start_mark.line + 1
                    break
        elif (
            isinstance(node, yaml.SequenceNode)
            and isinstance(step, int)
            and step < len(node.value)
        ):
            node = node.value[step]
            line = node.start_mark.line + 1
    return line


def _key(location: tuple[str | int, ...]) -> str:
    return ".".join(str(step) for step in location) or "(whole file)"
