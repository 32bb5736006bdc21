"""A YAML file with its line numbers, checked against a pydantic model."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from ..did_you_mean import did_you_mean
from ..errors import YamlFileError
from .kinds import KINDS, kind_of
from .nodes import compose, plain_values
from .problems import Problem, problems_in

MAX_FILE_BYTES = 1_000_000

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, kw_only=True)
class Document:
    """One file.

    Attributes:
        origin: what errors call the file.
        root: its nodes, which know their lines.
        values: the same as dicts, lists and scalars.
    """

    origin: str
    root: yaml.MappingNode
    values: dict[str, Any]

    @property
    def kind(self) -> str | None:
        """Which of ``KINDS`` it looks like, by its keys; None where it looks like none."""
        return kind_of(self.values)

    def check(
        self, model: type[Model], kind: str, prepare: Callable[[Any], Any] = lambda values: values
    ) -> Model:
        """The file as an instance of ``model``.

        Args:
            model: what its keys and values have to be. Types are not converted: a text is no
                number and a number no truth value.
            kind: one of ``KINDS``.
            prepare: changes the values before they are checked.

        Raises:
            YamlFileError: ``file:line: key: what`` of everything that is wrong; or one line, where
                the file is of another kind.
        """
        if self.kind != kind:
            what = self.kind or "something else, with none of the keys " + ", ".join(KINDS[kind])
            raise YamlFileError(f"{self.origin}: needs to be {kind}, and is {what}")
        try:
            return model.model_validate_json(json.dumps(prepare(self.values)), strict=True)
        except ValidationError as error:
            problems = problems_in(error, model, self.values)
            lines = sorted((self._line(p), p.text(self.values)) for p in problems)
            text = "\n".join(f"{self.origin}:{line}: {said}" for line, said in lines)
            raise YamlFileError(text) from error

    def _line(self, problem: Problem) -> int:
        node, line = self.root, self.root.start_mark.line + 1
        for step in problem.location:
            if isinstance(node, yaml.MappingNode):
                entries = {key.value: (key, value) for key, value in node.value}
                if step not in entries:
                    return line
                key, node = entries[step]
                line = key.start_mark.line + 1
            elif isinstance(node, yaml.SequenceNode) and step < len(node.value):
                node = node.value[step]
                line = node.start_mark.line + 1
        return line


def read_yaml(path: Path) -> Document:
    """Read a file.

    Raises:
        YamlFileError: it is not there, too large, or not plain YAML.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise YamlFileError(f"{path}: larger than {MAX_FILE_BYTES} bytes; not a file to read")
        text = path.read_text(encoding="utf-8")
    except IsADirectoryError as error:
        raise YamlFileError(f"{path}: is a folder; name a YAML file") from error
    except FileNotFoundError as error:
        beside = [file.name for file in path.parent.glob("*.y*ml")]
        hint = did_you_mean(path.name, beside) or f" (working folder: {Path.cwd()})"
        raise YamlFileError(f"{path}: there is no such file{hint}") from error
    except OSError as error:
        raise YamlFileError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise YamlFileError(f"{path}: cannot be read (not UTF-8 text)") from error
    return parse_yaml(text, str(path))


def parse_yaml(text: str, origin: str) -> Document:
    """Read a text; ``origin`` is what errors call the file.

    Raises:
        YamlFileError: as ``read_yaml``.
    """
    root = compose(text, origin)
    return Document(origin=origin, root=root, values=plain_values(root, origin))
