"""Quantiles of recordings, and an embodiment file that has them and is otherwise as it was."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qwen_vla_core.embodiment import parse_embodiment
from qwen_vla_core.errors import QwenVlaError, YamlFileError
from qwen_vla_data.quantiles import ACTION, STATE, ranges_of, samples_of, with_quantiles
from waved_episodes import EMBODIMENTS, ROBOTS, codec_of, planned, teleoperated


@pytest.mark.parametrize("robot", ROBOTS)
def test_when_a_file_gets_quantiles_expect_them_and_nothing_else_changed(robot):
    codec = codec_of(robot)
    samples = [samples_of(teleoperated(codec, 40, seed=n), codec) for n in range(2)]
    ranges = ranges_of(samples, codec.embodiment)
    text = (EMBODIMENTS / f"{robot}.yaml").read_text()
    changed = with_quantiles(text, robot, ranges, 'of "two" episodes')
    after = parse_embodiment(changed, robot)
    for group in after.groups:
        for key in (ACTION, STATE):
            of_it = [one for one in ranges if (one.group, one.key) == (group.name, key)]
            for place, one in enumerate(of_it):
                quantiles = getattr(group, key)
                wanted = one.before if one.kept else one.after
                found = quantiles.q01[place], quantiles.q99[place]
                np.testing.assert_allclose(found, wanted, atol=1e-4)
                moved = any(not other.kept for other in of_it)
                assert ('of "two" episodes' == quantiles.source) == moved
    assert after.model_copy(update={"groups": ()}) == codec.embodiment.model_copy(
        update={"groups": ()}
    )
    lines, before = changed.splitlines(), text.splitlines()
    assert [line for line in before if "#" in line and "q01" not in line] == [
        line for line in lines if "#" in line and "q01" not in line
    ]


def test_when_a_gripper_was_never_closed_expect_its_ends_to_stay():
    codec = codec_of("widowx")
    (sample,) = [samples_of(teleoperated(codec, 40), codec)]
    grippers = [one for one in ranges_of([sample], codec.embodiment) if one.group == "gripper"]
    assert [one.kept for one in grippers] == ["0 and 1 by convention"] * 2


def test_when_an_expert_planned_expect_the_quantiles_of_all_plans_that_may_be_learned():
    codec = codec_of("aloha")
    episode = planned(codec)
    found = samples_of(episode, codec).actions_NC
    assert len(found) == episode.valid_NTH.sum()
    ranges = ranges_of([samples_of(episode, codec)], codec.embodiment)
    assert ranges[0].after[0] == pytest.approx(np.quantile(found[:, 0], 0.01))


def test_when_there_is_nothing_to_measure_expect_refusal():
    codec = codec_of("widowx")
    with pytest.raises(QwenVlaError, match="the episodes hold no action"):
        ranges_of([samples_of(teleoperated(codec, 1), codec)], codec.embodiment)
    broken = teleoperated(codec, 8)
    broken.states_TS[3, 0] = np.nan
    with pytest.raises(QwenVlaError, match="NaN; see where with: qwen-vla data check"):
        ranges_of([samples_of(broken, codec)], codec.embodiment)


def test_when_a_file_lists_numbers_with_dashes_expect_them_replaced():
    text = (EMBODIMENTS / "mobile_base.yaml").read_text()
    dashes = "q01:\n        - -0.02\n        - -0.18\n        - -0.25\n"
    text = text.replace("q01: [-0.02, -0.18, -0.25]\n", dashes)
    codec = codec_of("mobile_base")
    ranges = ranges_of([samples_of(teleoperated(codec, 40), codec)], codec.embodiment)
    after = parse_embodiment(with_quantiles(text, "x", ranges, "test"), "x")
    assert after.groups[0].action_normalization.q01[0] == pytest.approx(
        ranges[0].after[0], abs=1e-4
    )


def test_when_the_text_is_no_embodiment_expect_refusal():
    with pytest.raises(YamlFileError):
        with_quantiles("name: x\n", str(Path("x.yaml")), [], "test")


@settings(max_examples=50)
@given(st.lists(st.floats(-5.0, 5.0), min_size=2, max_size=40))
def test_when_any_numbers_are_written_expect_rising_quantiles_in_the_file(values):
    codec = codec_of("mobile_base")
    samples = samples_of(teleoperated(codec, 4), codec)
    actions_NC = np.tile(np.array(values)[:, None], (1, 3))
    ranges = ranges_of(
        [type(samples)(actions_NC=actions_NC, states_MS=samples.states_MS)], codec.embodiment
    )
    text = (EMBODIMENTS / "mobile_base.yaml").read_text()
    after = parse_embodiment(with_quantiles(text, "x", ranges, "test"), "x")
    found = after.groups[0].action_normalization
    assert all(low < high for low, high in zip(found.q01, found.q99, strict=True))
