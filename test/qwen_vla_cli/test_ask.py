"""`qwen-vla ask`: the shipped weights point at what a sentence names, in images never seen."""

import argparse
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from qwen_vla_cli import ask
from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_data.images import encode_png
from qwen_vla_model import asking
from qwen_vla_model.policy import QwenVlaPolicy
from qwen_vla_sim.registry import find_tasks, make_world

WIDOWX = load_embodiment(Path(__file__).parents[2] / "embodiments" / "widowx.yaml")


@pytest.fixture(scope="module")
def images():
    """For each of some evaluated scenes an image, and the box of everything that has a name."""
    world, (task,) = make_world(WIDOWX), find_tasks(WIDOWX, "pick_up")
    seen = []
    for seed in range(8):
        scene = task.sample(seed)
        scene.lay_out(world)
        boxes = world.visible_boxes("over_shoulder", [*scene.names])
        seen.append(
            (world.render("over_shoulder"), dict(zip(scene.names.values(), boxes, strict=True)))
        )
    world.close()
    return seen


def ask_for(image, question, out=None):
    return ask.run(
        argparse.Namespace(
            question=question, image=image, embodiment="widowx", checkpoint=None, out=out
        )
    )


def hits(box_4, shown_4):
    middle = (box_4[:2] + box_4[2:]) / 2
    return (middle >= shown_4[:2]).all() and (middle <= shown_4[2:]).all()


def test_when_unseen_scenes_are_asked_about_expect_the_thing_that_is_named(images):
    policy = QwenVlaPolicy.load(None, WIDOWX)
    model, processor = policy.runtime.model, policy.processor
    found = [
        hits(asking.ask(model, processor, image, f"Where is the {name}?").box_4, box)
        for image, boxes in images
        for name, box in boxes.items()
        if np.isfinite(box).all()
    ]
    assert len(found) > 16 and np.mean(found) > 0.75  # of three blocks by chance one


def test_when_weights_never_learned_what_is_done_expect_that_said_and_not_a_guess(images):
    policy = QwenVlaPolicy.load(None, WIDOWX)
    model, processor = policy.runtime.model, policy.processor
    found = asking.done_probability(model, processor, images[0][0], "pick up the red block")
    assert np.isnan(found)


def test_when_a_file_is_asked_about_expect_pixels_and_an_image_with_the_box(
    images, tmp_path, capsys
):
    image, boxes = images[0]
    name = next(iter(boxes))
    large = cv2.resize(image, (640, 480))
    (tmp_path / "table.png").write_bytes(encode_png(large))
    out = tmp_path / "answers" / "box.png"
    assert ask_for(tmp_path / "table.png", f"pick up the {name}", out) == 0
    words = re.fullmatch(
        r"left (\d+), top (\d+), right (\d+), bottom (\d+) of 640 x 480 pixels\n",
        capsys.readouterr().out,
    )
    box = [int(number) for number in words.groups()]
    assert hits(np.array(box) / [640, 480, 640, 480], boxes[name])
    changed = (cv2.cvtColor(cv2.imread(str(out)), cv2.COLOR_BGR2RGB) != large).any(axis=2)
    rows, columns = np.nonzero(changed)
    assert [columns.min(), rows.min(), columns.max(), rows.max()] == box


def test_when_the_image_or_the_question_is_none_expect_that_said(images, tmp_path):
    (tmp_path / "table.png").write_bytes(b"no image")
    with pytest.raises(QwenVlaError, match=r"table\.png is damaged"):
        ask_for(tmp_path / "table.png", "where is the red block")
    (tmp_path / "table.png").write_bytes(encode_png(images[0][0]))
    with pytest.raises(QwenVlaError, match="the instruction is empty"):
        ask_for(tmp_path / "table.png", " ? ")
