"""From a YAML file to a checked Embodiment."""

from pathlib import Path

from ..did_you_mean import did_you_mean
from ..errors import EmbodimentError
from ..yaml_file import Document, parse_yaml, read_yaml
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
        EmbodimentError: there is none; the message lists the names there are.
    """
    if name_or_path.endswith((".yaml", ".yml")):
        return Path(name_or_path)
    path = folder / f"{name_or_path}.yaml"
    if not path.is_file():
        known = sorted(file.stem for file in folder.glob("*.yaml"))
        raise EmbodimentError(
            f"no embodiment '{name_or_path}' in {folder}; there are: "
            f"{', '.join(known) or 'none'}{did_you_mean(name_or_path, known)}"
        )
    return path


def _checked(document: Document) -> Embodiment:
    return document.check(Embodiment, EMBODIMENT, prepare=with_presets)
