"""What is written and drawn on a camera's image."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.scene import SceneMaker, Status
from qwen_vla_core.scene.drawing import (
    WIDEST_PX,
    annotated,
    draw_map,
    draw_plan,
    draw_words,
)
from qwen_vla_core.types import ActionChunk

ROBOTS = Path(__file__).parents[3] / "embodiments"
GREY = 120


def scene_of(name, status=None, drive_m=0.0):
    """A scene with a plan, and with what was executed before it."""
    embodiment = load_embodiment(ROBOTS / f"{name}.yaml")
    maker = SceneMaker(embodiment)
    start = dict(zip(embodiment.joint_names, embodiment.start_D, strict=True))
    positions_TD = np.tile(embodiment.start_D, (embodiment.horizon + 1, 1))
    positions_TD[:, 0] += np.linspace(0.0, drive_m or 0.5, len(positions_TD))
    for now_s in (9.0, 9.5):
        maker.on_joints(start)
        maker.on_base(np.array([0.2 * (now_s - 9.5), 0.0, 0.0]), now_s)
        maker.scene(now_s, Status())
    chunk = ActionChunk(
        stamp_s=9.5,
        step_s=embodiment.action_step_s,
        positions_TD=positions_TD,
        velocities_TD=np.zeros_like(positions_TD),
    )
    maker.on_chunk(chunk, 9.6)
    return maker.scene(9.6, status or Status(mode="AUTONOMY", reason="engage policy"))


def plain(height=240, width=320):
    return np.full((height, width, 3), GREY, dtype=np.uint8)


def changed(image):
    return (image != GREY).any(axis=2)


def from_above(points_N3):
    """One metre is the image's width, x is up, the robot stands below in the middle."""
    return 320 * np.stack([0.5 - points_N3[:, 1], 0.6 - points_N3[:, 0]], axis=1)


@pytest.mark.parametrize(("width", "width_shown"), [(160, 160), (640, WIDEST_PX)])
def test_when_an_image_is_annotated_expect_it_whole_between_two_bars(width, width_shown):
    image = plain(width * 3 // 4, width)
    shown = annotated(image, scene_of("widowx"), "wrist")
    assert shown.shape[1] == width_shown and not changed(image).any()
    rows = np.flatnonzero(~changed(shown).any(axis=1))
    assert len(rows) == width_shown * 3 // 4 and (np.diff(rows) == 1).all()
    assert rows[0] > 20 and rows[-1] < len(shown) - 10


def test_when_the_mode_or_an_age_changes_expect_another_image():
    status = Status(mode="AUTONOMY", reason="x", image_ages_s={"wrist": 0.05}, inference_ms=80.0)
    scene = scene_of("widowx", status)
    before = annotated(plain(), scene, "wrist")
    for other in (
        replace(status, mode="ESTOP"),
        replace(status, instruction="pick up the red block"),
        replace(status, image_ages_s={"wrist": 0.5}),
        replace(status, inference_ms=None),
        Status(),
    ):
        after = annotated(plain(), replace(scene, status=other), "wrist")
        assert (before != after).any()


@pytest.mark.parametrize("text", ["greife den roten Würfel", "x" * 5000, "\n\t\0"])
def test_when_an_instruction_cannot_be_written_expect_an_image_of_the_same_size(text):
    scene = scene_of("widowx", Status(mode="HOLD", instruction=text))
    assert annotated(plain(), scene, "wrist").shape[1] == WIDEST_PX


def test_when_a_plan_is_drawn_expect_its_colours_where_it_leads():
    image = plain()
    scene = scene_of("widowx")
    draw_plan(image, scene, from_above)
    (path,) = scene.plan
    for k in (4, -1):
        column, row = from_above(path.points_T3[k][None])[0].astype(int)
        around = image[row - 3 : row + 4, column - 3 : column + 4].reshape(-1, 3)
        wanted = 255 * path.colours_T3[k]
        assert np.abs(around - wanted).max(axis=1).min() < 40, k


def test_when_a_film_shows_a_plan_expect_it_in_words_above_and_nothing_without_one():
    image, scene = plain(), scene_of("widowx")
    draw_words(image, scene)
    rows = np.flatnonzero(changed(image).any(axis=1))
    assert rows[0] == 0 and 10 < rows[-1] < 60 and (image[: rows[-1]] == 255).any()
    nothing = plain()
    draw_words(nothing, replace(scene, plan=()))
    assert not changed(nothing).any()


def test_when_everything_is_behind_the_camera_expect_an_untouched_image():
    image = plain()
    draw_plan(image, scene_of("widowx"), lambda points: np.full((len(points), 2), np.nan))
    assert not changed(image).any()


def test_when_a_base_has_a_plan_expect_it_upwards_in_the_corner_map():
    image = plain()
    draw_map(image, scene_of("mobile_base", drive_m=0.6))
    assert not changed(image)[:100].any() and not changed(image)[:, 200:].any()
    corner = image[-100:, :100].astype(int)
    coloured = corner.max(axis=2) - corner.min(axis=2) > 60
    late = coloured & (corner.argmax(axis=2) == 2)
    soon = coloured & (corner.argmax(axis=2) != 2)
    assert np.flatnonzero(late.any(axis=1)).max() <= np.flatnonzero(soon.any(axis=1)).min() + 2


def test_when_a_robot_has_no_base_expect_no_map():
    image = plain()
    draw_map(image, scene_of("widowx"))
    assert not changed(image).any()
