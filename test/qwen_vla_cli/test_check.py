"""`qwen-vla check` knows what kind of file it is given."""

import argparse
from pathlib import Path

import pytest

from qwen_vla_cli import check
from qwen_vla_core.errors import QwenVlaError

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("embodiments/aloha.yaml", ["embodiment 'aloha' is valid", "right_wrist_rotate"]),
        ("config/recipes/finetune_widowx.yaml", ["a valid training recipe", "60000 steps"]),
        (
            "config/teleop/game_controller.yaml",
            [
                "deadman        button 10",
                "estop          button 4",
                "button 1 for more, 0 for less",
            ],
        ),
        ("config/reports/report.yaml", ["a valid report plan", "robot    widowx: pick_up"]),
    ],
)
def test_when_a_file_is_checked_expect_what_its_kind_says(capsys, monkeypatch, file, said):
    monkeypatch.chdir(ROOT)
    assert check.run(argparse.Namespace(file=file, live=False, wiggle=False, cover=False)) == 0
    printed = capsys.readouterr().out
    assert all(words in printed for words in said)


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("config/nodes/policy_node.yaml", "an embodiment, and is a file of node parameters"),
        ("config/recipes/finetune_widow.yaml", "did you mean finetune_widowx.yaml?"),
        ("windowx", "did you mean widowx?"),
    ],
)
def test_when_a_file_cannot_be_checked_expect_one_line(monkeypatch, file, said):
    monkeypatch.chdir(ROOT)
    with pytest.raises(QwenVlaError) as caught:
        check.run(argparse.Namespace(file=file, live=False, wiggle=False, cover=False))
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_when_a_recipe_names_a_robot_that_is_not_there_expect_its_file(monkeypatch, tmp_path):
    recipe = (ROOT / "config/recipes/finetune_widowx.yaml").read_text()
    (tmp_path / "mine.yaml").write_text(recipe)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(QwenVlaError, match=r"embodiments/widowx\.yaml: there is no such file"):
        check.run(argparse.Namespace(file="mine.yaml", live=False, wiggle=False, cover=False))
