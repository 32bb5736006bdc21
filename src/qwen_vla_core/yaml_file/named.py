"""Files that come with the package and go by their names: robots, backends, maps of gamepads."""

from pathlib import Path

from ..did_you_mean import did_you_mean
from ..errors import YamlFileError


def find_named(what: str, name_or_path: str, folder: Path) -> Path:
    """The file that ``name_or_path`` means: a path to a YAML file, or a name in ``folder``.

    Args:
        what: what a file of the folder is, for the error ("embodiment").
    Raises:
        YamlFileError: there is none of that name; the message lists the names there are.
    """
    if name_or_path.endswith((".yaml", ".yml")):
        return Path(name_or_path)
    path = folder / f"{name_or_path}.yaml"
    if not path.is_file():
        known = sorted(file.stem for file in folder.glob("*.yaml"))
        raise YamlFileError(
            f"no {what} '{name_or_path}' in {folder}; there are: "
            f"{', '.join(known) or 'none'}{did_you_mean(name_or_path, known)}"
        )
    return path
