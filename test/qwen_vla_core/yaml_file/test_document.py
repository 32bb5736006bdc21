"""Files that are not there, of another kind, or no YAML, are one line."""

from pathlib import Path

import pytest

from qwen_vla_core.errors import YamlFileError
from qwen_vla_core.yaml_file import Strict, parse_yaml, read_yaml
from qwen_vla_core.yaml_file.kinds import (
    BACKEND,
    EMBODIMENT,
    FLEET,
    GAMEPAD,
    KINDS,
    NAMES,
    PLAN,
    RECIPE,
    REINFORCEMENT,
    kind_of,
)

ROOT = Path(__file__).parents[3]
KINDS_OF_FOLDERS = {
    "embodiments": EMBODIMENT,
    "config/recipes": RECIPE,
    "config/published": RECIPE,
    "config/reports": PLAN,
    "config/teleop": GAMEPAD,
    "config/backends": BACKEND,
    "config/fleets": FLEET,
    "config/imports": NAMES,
    "config/reinforcements": REINFORCEMENT,
    "config/nodes": "a file of node parameters",
    "config/interbotix_modes": "a file of Interbotix motor modes",
}
SHIPPED = [
    (path, kind)
    for folder, kind in KINDS_OF_FOLDERS.items()
    for path in sorted((ROOT / folder).rglob("*.yaml"))
]


def test_when_the_folders_are_read_expect_files_of_every_kind():
    assert {kind for _, kind in SHIPPED} == set(KINDS)


@pytest.mark.parametrize(("path", "kind"), SHIPPED, ids=lambda value: Path(str(value)).stem)
def test_when_a_file_is_shipped_expect_its_kind_known_by_its_keys(path, kind):
    document = read_yaml(path)
    assert document.kind == kind
    other = PLAN if kind != PLAN else RECIPE
    with pytest.raises(YamlFileError) as caught:
        document.check(Strict, other)
    assert str(caught.value) == f"{path}: needs to be {other}, and is {kind}"


def test_when_a_file_is_of_no_kind_expect_the_keys_that_are_wanted():
    with pytest.raises(YamlFileError) as caught:
        parse_yaml("shopping: [bread]", "list.yaml").check(Strict, RECIPE)
    assert "with none of the keys mixture, max_steps" in str(caught.value)
    assert "\n" not in str(caught.value) and kind_of({}) is None


def test_when_a_file_is_not_there_expect_its_neighbour_or_the_working_folder(tmp_path):
    (tmp_path / "widowx.yaml").write_text("a: 1")
    with pytest.raises(YamlFileError, match=r"no such file; did you mean widowx\.yaml\?$"):
        read_yaml(tmp_path / "windowx.yaml")
    with pytest.raises(YamlFileError, match=r"no such file \(working folder: /"):
        read_yaml(Path("nowhere") / "else.yaml")


def test_when_a_path_is_a_folder_or_no_text_expect_one_line(tmp_path):
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    for path, words in ((tmp_path, "is a folder"), (tmp_path / "binary.yaml", "not UTF-8")):
        with pytest.raises(YamlFileError) as caught:
            read_yaml(path)
        assert words in str(caught.value) and "\n" not in str(caught.value)
