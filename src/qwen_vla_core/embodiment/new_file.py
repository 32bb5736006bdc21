"""A new robot's file, from the file of one that is like it, with a mark where robots differ."""

from collections.abc import Iterator
from pathlib import Path

import yaml

from ..errors import QwenVlaError
from ..yaml_file import read_yaml
from .loader import parse_embodiment

MARK = "# CHANGE:"
OWN = {("name",), ("prompt_words", "robot_tag")}
"""Keys that get the new robot's name."""
MARKED = {
    ("simulated_world",): "null, unless the simulator's robot of this name moves as yours",
    ("action_hz",): "the rate of your recordings",
    ("cameras", "topic"): "where your camera publishes",
    ("groups", "joints", "item"): "limits of your joint, and where they come from",
    ("groups", "action", "kinematics"): "lengths and axes from your robot's URDF",
    ("groups", "action_normalization"): "the range of actions in your recordings",
    ("groups", "state_normalization"): "the range of positions in your recordings",
    ("groups", "start"): "the pose in which your recordings begin",
    ("groups", "driver"): "names and topics of your driver",
    ("hardware",): "what brings up your drivers and cameras; null to start them yourself",
}
"""Keys below items of lists -> what a robot's owner writes there."""


def write_new_embodiment(path: Path, name: str, like: Path) -> int:
    """Write the file of a robot called ``name``, which is valid as it is.

    Args:
        path: where; nothing may be there yet.
        name: of the robot.
        like: the file to copy, with its comments.
    Returns:
        How many lines are marked.
    Raises:
        QwenVlaError: something is there, the name is none, or ``like`` is unusable.
    """
    text = new_embodiment(name, like)
    parse_embodiment(text, f"'{name}'")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise QwenVlaError(
            f"{path} is there already; choose another name, or remove it"
        ) from error
    except OSError as error:
        raise QwenVlaError(f"{path}: cannot be written ({error.strerror})") from error
    return text.count(MARK)


def new_embodiment(name: str, like: Path) -> str:
    """The text of that file."""
    root = read_yaml(like).root
    lines = like.read_text(encoding="utf-8").splitlines()
    marks: dict[int, str] = {}
    for keys, line, node in _entries(root, ()):
        if keys in OWN:
            begin, end = node.start_mark, node.end_mark
            lines[begin.line] = (
                lines[begin.line][: begin.column] + name + lines[end.line][end.column :]
            )
        elif keys in MARKED:
            marks.setdefault(line, MARKED[keys])
    for line, words in marks.items():
        lines[line] += f"   {MARK} {words}"
    head = [
        f"# {name}, a copy of {like.name}. What is marked CHANGE differs from robot to robot:",
        f"# write what is true of yours, and remove the mark. Then: qwen-vla check {name}.yaml",
        "#",
    ]
    return "\n".join([*head, *lines]) + "\n"


def _entries(
    node: yaml.Node, keys: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], int, yaml.Node]]:
    """Every key below a node, with its line; items of a list by the key ``item`` as well."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            below = (*keys, key.value)
            yield below, key.start_mark.line, value
            yield from _entries(value, below)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield (*keys, "item"), item.start_mark.line, item
            yield from _entries(item, keys)
