"""The figure of all tasks."""

import sys
from pathlib import Path

import cv2
import numpy as np

from qwen_vla_sim import contact_sheet

WIDOWX = Path(__file__).parents[2] / "embodiments" / "widowx.yaml"


def test_when_a_robot_is_drawn_expect_a_row_per_task_with_both_cameras_at_three_moments(
    tmp_path, monkeypatch
):
    out = tmp_path / "tasks.png"
    monkeypatch.setattr(sys, "argv", ["contact_sheet", str(WIDOWX), "--out", str(out)])
    contact_sheet.main()
    sheet = cv2.imread(str(out))
    paper_rows = (sheet == 255).all(axis=(1, 2))
    row_starts = np.flatnonzero(paper_rows[:-1] & ~paper_rows[1:])
    assert sheet.shape[1] == contact_sheet.WIDTH_PX
    assert len(row_starts) == 2 * 2  # caption and images, two tasks
    row = sheet[row_starts[1] + 1 : row_starts[1] + 100]
    inside = ~(row == 255).all(axis=(0, 2))
    assert np.count_nonzero(~inside[:-1] & inside[1:]) == 2 * 3
