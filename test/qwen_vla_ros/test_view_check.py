"""`qwen-vla check --live`: whether the cameras show what the checkpoint learned from."""

import re

import numpy as np
import pytest

from closed_loop import WIDOWX
from qwen_vla_data.view_statistics import patches_of, statistics_of
from qwen_vla_ros.view_check import check_views

SHOULDER, WRIST = WIDOWX.cameras


def scene(camera, seed, light=1.0):
    """A table below a wall; from the wrist, fingers at both sides."""
    rng = np.random.default_rng(seed)
    image = np.zeros((96, 96, 3))
    image[:] = (150, 140, 120)
    if camera is SHOULDER:
        image[:40], image[50:70, 10:40] = (40, 50, 60), (30, 30, 30)
    else:
        image[30:, :25], image[60:, 80:] = (20, 20, 20), (20, 20, 20)
    y, x = rng.integers(30, 70, 2)
    image[y : y + 8, x : x + 8] = (220, 30, 30)
    return np.clip(image * light + rng.normal(0, 4, image.shape), 0, 255).astype(np.uint8)


TRAINED = {
    camera.tag: statistics_of([patches_of(scene(camera, seed)) for seed in range(40)])
    for camera in (SHOULDER, WRIST)
}


def findings(shoulder=None, wrist=None, trained=TRAINED):
    shown = {
        SHOULDER.name: [scene(SHOULDER, 99) if shoulder is None else shoulder],
        WRIST.name: [scene(WRIST, 99) if wrist is None else wrist],
    }
    return check_views(WIDOWX.cameras, shown, trained, "my.yaml", "generalist")


def faults(**changed):
    return [
        f"{one.level} {one.about}: {one.text}" for one in findings(**changed) if one.level != "ok"
    ]


def test_when_cameras_show_the_trained_scene_expect_it_said_for_each():
    found = findings()
    assert [one.level for one in found] == ["ok", "ok"]
    assert found[0].text.startswith(f"camera {SHOULDER.name}: as in the training of generalist")
    assert faults(shoulder=scene(SHOULDER, 98, light=0.8)) == [], "a little less light is no fault"


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (
            {"shoulder": scene(SHOULDER, 99)[::-1, ::-1]},
            "error view ego: .*upside down: turn it by",
        ),
        ({"shoulder": scene(SHOULDER, 99)[:, ::-1]}, "error view ego: .*mirrored: switch its"),
        ({"wrist": scene(WRIST, 99)[::-1, ::-1]}, "error view cam_left_wrist: .*upside down"),
        ({"wrist": scene(WRIST, 99, light=0.3)}, "warning view cam_left_wrist: .*its mean colour"),
        (
            {"shoulder": np.rot90(scene(SHOULDER, 99)).copy()},
            "warning view ego: .*unlike those that generalist learned from",
        ),
    ],
)
def test_when_a_camera_shows_something_else_expect_what_it_is_and_what_to_change(
    changed, expected
):
    (fault,) = faults(**changed)
    assert re.match(expected, fault), fault


def test_when_two_cameras_are_exchanged_expect_both_named_and_the_file():
    found = faults(shoulder=scene(WRIST, 99), wrist=scene(SHOULDER, 99))
    assert len(found) == 2 and all("exchange their topics in my.yaml" in one for one in found)
    assert f"camera {SHOULDER.name}: it shows what {WRIST.name} should" in found[0]


def test_when_a_view_is_not_known_to_the_checkpoint_expect_nothing_said_of_it():
    assert [one.about for one in findings(trained={"ego": TRAINED["ego"]})] == ["view ego"]
