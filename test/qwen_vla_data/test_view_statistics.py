"""What cameras showed in a training, in a few numbers."""

import json

import numpy as np
import pytest

from qwen_vla_core.errors import CheckpointError
from qwen_vla_data.view_statistics import (
    FILE,
    OF_AN_EPISODE,
    load_view_statistics,
    patches_of,
    patches_of_episode,
    save_view_statistics,
    statistics_of,
)
from robots import one_arm_text, robot


def scene(seed, light=1.0):
    """A bright table below, a dark wall above, and something somewhere."""
    rng = np.random.default_rng(seed)
    image = np.zeros((96, 96, 3))
    image[48:], image[:48] = (170, 150, 120), (40, 50, 60)
    y, x = rng.integers(50, 80), rng.integers(0, 80)
    image[y : y + 12, x : x + 12] = (220, 30, 30)
    return np.clip(image * light + rng.normal(0, 4, image.shape), 0, 255).astype(np.uint8)


STATISTICS = statistics_of([patches_of(scene(seed)) for seed in range(60)])


def test_when_images_are_those_of_the_training_expect_them_alike_and_their_colours_within():
    assert STATISTICS.images == 60 and STATISTICS.alike_q01 > 0.9
    other = patches_of(scene(999))
    assert STATISTICS.alike(other) >= STATISTICS.alike_q01 - 0.05
    assert (other.mean(axis=(0, 1)) > np.array(STATISTICS.darkest) - 5).all()


def test_when_only_the_light_changes_expect_images_as_alike_and_upside_down_the_opposite():
    dim = patches_of(scene(3, light=0.5))
    assert STATISTICS.alike(dim) > 0.9
    assert STATISTICS.alike(dim[::-1, ::-1]) < 0.0
    assert STATISTICS.alike(np.full_like(dim, 80.0)) == 0.0


def test_when_an_episode_is_long_expect_a_few_images_of_all_of_it():
    images = [np.full((16, 16, 3), k, np.uint8) for k in range(200)]
    found = [one[0, 0, 0] for one in patches_of_episode(images)]
    assert len(found) == OF_AN_EPISODE and (found[0], found[-1]) == (0, 199)
    assert len(patches_of_episode(images[:3])) == 3 and patches_of_episode([]) == []


def test_when_they_are_kept_in_a_checkpoint_expect_a_few_kb_and_other_robots_to_stay(tmp_path):
    own = robot(one_arm_text())
    assert load_view_statistics(tmp_path, own) == {}
    save_view_statistics(tmp_path, {own.name: {"ego": STATISTICS}, "other": {}})
    save_view_statistics(tmp_path, {"third": {"ego": STATISTICS}})
    assert load_view_statistics(tmp_path, own) == {"ego": STATISTICS}
    assert set(json.loads((tmp_path / FILE).read_text())) == {own.name, "other", "third"}
    assert (tmp_path / FILE).stat().st_size < 2 * 3000


@pytest.mark.parametrize("text", ["{", '{"one_arm": {"ego": {"images": 1}}}', '{"one_arm": []}'])
def test_when_the_file_is_damaged_expect_its_name(tmp_path, text):
    (tmp_path / FILE).write_text(text)
    with pytest.raises(CheckpointError, match=FILE):
        load_view_statistics(tmp_path, robot(one_arm_text()))
