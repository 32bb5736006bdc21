"""From a name or a YAML file to a checked backend."""

from pathlib import Path

from qwen_vla_core.resources import share_directory
from qwen_vla_core.yaml_file import find_named, read_yaml
from qwen_vla_core.yaml_file.kinds import BACKEND

from .schema import Backend


def load_backend(path: Path) -> Backend:
    """Read and check a file.

    Raises:
        YamlFileError: with file, line and key of everything that is wrong.
    """
    return read_yaml(path).check(Backend, BACKEND)


def find_backend(name_or_path: str) -> Path:
    """The file that is meant: a path to a YAML file, or a name in config/backends/.

    Raises:
        YamlFileError: there is none; the message lists the names there are.
    """
    return find_named("backend", name_or_path, share_directory() / "config" / "backends")


def describe_backend(backend: Backend, origin: str) -> list[str]:
    """The file in lines for a person."""
    images = backend.images
    lines = [
        f"{origin}: a backend is valid",
        "",
        f"chunk    {backend.horizon} steps at {backend.action_hz:g} Hz ({backend.chunk_s:.2f} s)",
        f"images   {images.width} x {images.height}, {images.layout}, {images.fit}",
        f"prompt   at {_shown(backend.prompt)}",
    ]
    lines += [f"  {view.camera:<16} at {_shown(view.key)}" for view in images.views]
    for vector in (*backend.states, backend.actions):
        lines.append(f"{type(vector).__name__.lower():<12} at {_shown(vector.key)}")
        lines += [f"  {part.group:<16} {_part(part)}" for part in vector.parts]
    return lines


def _shown(key: tuple[str | int, ...]) -> str:
    return " > ".join(map(str, key)) or "the answer itself"


def _part(part) -> str:
    values = part.model_dump(exclude={"group", "convention"}, exclude_none=True)
    return f"{part.convention} " + ", ".join(f"{key} {value}" for key, value in values.items())
