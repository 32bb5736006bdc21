"""A new robot's file is valid as it is, differs in its name, and marks what is its owner's."""

from pathlib import Path

import pytest

from qwen_vla_core.embodiment import load_embodiment, write_new_embodiment
from qwen_vla_core.embodiment.new_file import MARK
from qwen_vla_core.errors import QwenVlaError

SHIPPED = sorted((Path(__file__).parents[3] / "embodiments").glob("*.yaml"))


@pytest.mark.parametrize("like", SHIPPED, ids=lambda path: path.stem)
def test_when_a_robot_is_new_expect_a_copy_with_its_name_and_every_mark(tmp_path, like):
    path = tmp_path / "mine.yaml"
    count = write_new_embodiment(path, "mine", like)
    written, copied = load_embodiment(path), load_embodiment(like)
    assert (written.name, written.prompt_words.robot_tag) == ("mine", "mine")
    words = copied.prompt_words.model_copy(update={"robot_tag": "mine"})
    assert written == copied.model_copy(update={"name": "mine", "prompt_words": words})

    marked = [line for line in path.read_text().splitlines() if MARK in line]
    assert len(marked) == count
    for camera in copied.cameras:
        assert any(f"topic: {camera.topic}" in line for line in marked)
    for joint in copied.joints:
        assert any(f"name: {joint.name}," in line for line in marked)
    assert sum("driver:" in line for line in marked) == len(copied.groups)


def test_when_something_is_there_already_expect_it_kept(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("precious")
    with pytest.raises(QwenVlaError, match=r"mine\.yaml is there already; choose another name"):
        write_new_embodiment(path, "mine", SHIPPED[0])
    assert path.read_text() == "precious"


@pytest.mark.parametrize("name", ["my robot", "1st", "", "a/b"])
def test_when_the_name_is_none_expect_refusal_and_no_file(tmp_path, name):
    with pytest.raises(QwenVlaError, match="name"):
        write_new_embodiment(tmp_path / "mine.yaml", name, SHIPPED[0])
    assert list(tmp_path.iterdir()) == []


def test_when_the_folder_is_missing_expect_one_line(tmp_path):
    with pytest.raises(QwenVlaError, match="cannot be written"):
        write_new_embodiment(tmp_path / "no" / "mine.yaml", "mine", SHIPPED[0])
