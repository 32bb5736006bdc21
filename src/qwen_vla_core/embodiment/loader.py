"""From a YAML file to a checked Embodiment."""

from pathlib import Path

from ..yaml_file import Document, find_named, parse_yaml, read_yaml
from ..yaml_file.kinds import EMBODIMENT
from .schema import Embodiment, with_presets


def load_embodiment(path: Path) -> Embodiment:
    """Read and check one embodiment description.

    Raises:
        YamlFileError: with file, line and key of everything that is wrong.
    """
    return _checked(read_yaml(path))


def parse_embodiment(text: str, origin: str) -> Embodiment:
    """Check a description given as text; ``origin`` is what errors call the file.

    Raises:
        YamlFileError: as ``load_embodiment``.
    """
    return _checked(parse_yaml(text, origin))


def find_embodiment(name_or_path: str, folder: Path) -> Path:
    """The file that ``name_or_path`` means: a path to a YAML file, or a name in ``folder``.

    Raises:
        YamlFileError: there is none; the message lists the names there are.
    """
    return find_named("embodiment", name_or_path, folder)


def _checked(document: Document) -> Embodiment:
    return document.check(Embodiment, EMBODIMENT, prepare=with_presets)
