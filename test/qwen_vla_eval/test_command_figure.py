"""Commands against limits, as a figure."""

import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
from matplotlib import pyplot

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_eval import command_figure
from qwen_vla_eval.command_figure import CommandFigure
from qwen_vla_eval.fonts import USUAL, fonts_for

BASE = load_embodiment(Path(__file__).parents[2] / "embodiments" / "mobile_base.yaml")
CHINESE = "\u62ff\u8d77\u7ea2\u8272\u65b9\u5757"


@pytest.fixture
def figure():
    figure = CommandFigure(BASE)
    commands = [(0.02 * tick, np.zeros(3)) for tick in range(10)]
    figure.add(commands, [np.full(3, 0.1)] * 10, CHINESE)
    return figure


@pytest.fixture
def labels(monkeypatch):
    """Those of the last figure that was closed."""
    seen = []

    def close(figure):
        seen[:] = [text.get_text() for text in figure.legends[0].get_texts()]

    monkeypatch.setattr(pyplot, "close", close)
    return seen


def test_when_no_font_has_the_letters_expect_a_plain_label_and_no_warning(
    figure, labels, monkeypatch, tmp_path
):
    monkeypatch.setattr(command_figure, "fonts_for", lambda text: None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.save(tmp_path / "commands.png")
    assert labels == ["episode 1"]
    assert cv2.imread(str(tmp_path / "commands.png")).shape[1] > 500


def test_when_letters_are_usual_expect_the_usual_font_and_never_one_of_boxes():
    assert fonts_for("pick up the red block; gr\u00f6\u00dfer") == [USUAL]
    fonts = fonts_for(CHINESE)
    assert fonts is None or not any(name.startswith("Last Resort") for name in fonts)


def test_when_the_figure_cannot_be_written_expect_its_name(figure, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(QwenVlaError, match=r"commands.png cannot be written: "):
        figure.save(tmp_path / "file" / "commands.png")
