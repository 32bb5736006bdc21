"""Files that come with the package and go by their names: robots, backends, maps of gamepads."""

from pathlib import Path

from ..did_you_mean import did_you_mean
from ..errors import YamlFileError


def find_named(what: str, name_or_path: str, folder: Path) -> Path:
    """The file that ``name_or_path`` means: a path to a YAML file, or a name below ``folder``.

    Args:
        what: what a file of the folder is, for the error ("embodiment").
    Raises:
        YamlFileError: there is none of that name; the message lists the names there are.
    """
    if name_or_path.endswith((".yaml", ".yml")):
        return Path(name_or_path)
    files = {file.stem: file for file in folder.rglob("*.yaml")}
    if name_or_path not in files:
        known = sorted(files)
        raise YamlFileError(
            f"no {what} '{name_or_path}' in {folder}; there are: "
            f"{', '.join(known) or 'none'}{did_you_mean(name_or_path, known)}"
        )
    return files[name_or_path]
