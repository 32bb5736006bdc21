"""Files that come with the package and go by their names: robots, backends, maps of gamepads."""

from pathlib import Path

from ..did_you_mean import did_you_mean
from ..errors import YamlFileError


def find_named(what: str, name_or_path: str, folder: Path) -> Path:
    """The file that ``name_or_path`` means: a path to a YAML file, or a name below ``folder``.

    Args:
        what: what a file of the folder is, for the error ("embodiment").
    Raises:
        YamlFileError: there is none of that name; the message lists the names there are, and says
            whether a file or folder of the name is here.
    """
    if name_or_path.endswith((".yaml", ".yml")):
        return Path(name_or_path)
    files = {file.stem: file for file in folder.rglob("*.yaml")}
    if name_or_path not in files:
        known = sorted(files)
        there_are = f"there are: {', '.join(known) or 'none'}"
        path, here = Path(name_or_path), Path(f"{name_or_path}.yaml")
        if name_or_path and path.exists():
            kind = "a folder" if path.is_dir() else "no *.yaml file"
            raise YamlFileError(f"{path} is {kind}; name the file of the {what}; {there_are}")
        meant = did_you_mean(name_or_path, [str(here)] if here.is_file() else known)
        raise YamlFileError(f"no {what} '{name_or_path}' in {folder}; {there_are}{meant}")
    return files[name_or_path]
