"""What the model predicts gives the actions back, exactly, for every convention."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from action_spaces import action_space
from qwen_vla_core.embodiment import EmbodimentCodec
from qwen_vla_core.errors import NonFiniteError
from qwen_vla_model.action_space import ActionSpace, relations_of
from robots import arm_on_base_text, base_text, robot, two_arms_text, widowx_text

CODECS = {
    name: EmbodimentCodec(robot(text))
    for name, text in {
        "euler": widowx_text(),
        "axis_angle": widowx_text("axis_angle", "over_shoulder"),
        "rot6d": widowx_text("rot6d"),
        "joints": two_arms_text(),
        "waypoints": base_text(),
        "velocities": arm_on_base_text(),
    }.items()
}
every_codec = pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
seeds = st.integers(0, 2**32 - 1)


def commands(codec, rng, count):
    """Joint positions anywhere within the limits."""
    low, high = np.array([(j.lower, j.upper) for j in codec.embodiment.joints]).T
    return rng.uniform(low, high, (count, len(low)))


def data(codec, seed, count=10):
    """Normalised chunks of any actions, where they start, and the space fitted to them."""
    rng = np.random.default_rng(seed)
    shape = (count, codec.embodiment.horizon, len(codec.embodiment.action_channels))
    chunks, still = rng.uniform(-1.0, 1.0, shape), codec.still(commands(codec, rng, count))
    return chunks, still, ActionSpace.fit(codec.embodiment, chunks, still)


@every_codec
@given(seed=seeds)
def test_when_actions_are_encoded_expect_them_back(codec, seed):
    chunks, still, space = data(codec, seed)
    np.testing.assert_allclose(space.decode(space.encode(chunks, still), still), chunks, atol=1e-9)


@every_codec
@given(seed=seeds)
def test_when_a_network_puts_out_anything_expect_it_to_mean_exactly_one_chunk(codec, seed):
    chunks, still, space = data(codec, seed)
    predicted = np.random.default_rng(seed).normal(0.0, 2.0, chunks.shape)
    again = space.encode(space.decode(predicted, still), still)
    np.testing.assert_allclose(again, predicted, atol=1e-9)


@every_codec
@given(seed=seeds, steps=st.integers(1, 15))
def test_when_only_the_first_steps_are_encoded_expect_the_same_numbers_as_in_the_chunk(
    codec, seed, steps
):
    chunks, still, space = data(codec, seed)
    whole = space.encode(chunks, still)[:, :steps]
    np.testing.assert_array_equal(space.encode(chunks[:, :steps], still), whole)


@every_codec
@given(seed=seeds)
def test_when_the_robot_stays_expect_the_same_numbers_wherever_it_is(codec, seed):
    _, still, space = data(codec, seed)
    stays = np.repeat(still[:, None], 16, axis=1)
    moving = np.array(space.relations) != "absolute"
    encoded = space.encode(stays, still)[..., moving]
    np.testing.assert_allclose(encoded, np.broadcast_to(encoded[:1], encoded.shape), atol=1e-9)


@every_codec
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_when_a_number_is_not_finite_expect_refusal(codec, bad):
    chunks, still, space = data(codec, 0)
    for spoilt in (chunks, still):
        spoilt[0, ..., 0], before = bad, spoilt[0, ..., 0].copy()
        with pytest.raises(NonFiniteError):
            space.encode(chunks, still)
        with pytest.raises(NonFiniteError):
            space.decode(chunks, still)
        spoilt[0, ..., 0] = before


def test_when_deltas_are_encoded_expect_their_sum_and_joints_their_way_from_the_command():
    codec = CODECS["euler"]
    chunks, still, _ = data(codec, 0)
    space = action_space(codec.embodiment, 1.0)
    encoded = space.encode(chunks, still)
    np.testing.assert_allclose(encoded[:, -1, :6], chunks[:, :, :6].sum(1), atol=1e-9)
    np.testing.assert_allclose(encoded[..., 6], chunks[..., 6], atol=1e-9)

    codec = CODECS["joints"]
    assert relations_of(codec.embodiment) == ("offset", "offset", "absolute") * 2
    commanded_D = np.array([0.3, -0.2, 0.03, -0.3, 0.2, 0.04])
    chunk_HC = codec.normalize_actions(codec.encode(np.stack([commanded_D, commanded_D + 0.01])))
    space = action_space(codec.embodiment, 1.0)
    encoded = space.encode(chunk_HC, codec.still(commanded_D))
    np.testing.assert_allclose(encoded[0, [0, 1]], [0.01 / 3.0, 0.01 / 1.65], atol=1e-9)


def test_when_zero_is_not_in_the_middle_of_a_channel_expect_a_still_base_not_to_drift():
    codec = EmbodimentCodec(robot(base_text().replace("q01: [-0.2,", "q01: [-0.05,")))
    still_C = codec.still(np.zeros(3))
    assert still_C[0] == pytest.approx(-0.6)  # no step forward, between -0.05 and 0.2 m
    space = action_space(codec.embodiment, 1.0)
    encoded = space.encode(np.tile(still_C, (16, 1)), still_C)
    np.testing.assert_allclose(encoded, 0.0, atol=1e-12)


@pytest.mark.parametrize("name", ["joints", "waypoints", "velocities"])
@given(seed=seeds)
def test_when_targets_go_all_the_way_to_the_network_and_back_expect_the_same_targets(name, seed):
    codec, rng = CODECS[name], np.random.default_rng(seed)
    chunks, still, space = data(codec, seed)
    (start_D,) = commands(codec, rng, 1)
    start_D = np.where(codec.embodiment.base_D, 0.0, start_D)
    targets_TD = codec.decode(chunks[0], start_D, stamp_s=0.0).positions_TD
    actions_HC = codec.normalize_actions(codec.encode(targets_TD))
    encoded_HC = space.encode(actions_HC, codec.still(start_D))
    again_HC = space.decode(encoded_HC, codec.still(start_D))
    again_TD = codec.decode(again_HC, start_D, stamp_s=0.0).positions_TD
    np.testing.assert_allclose(again_TD, targets_TD, atol=1e-9)


@every_codec
def test_when_a_space_is_fitted_expect_what_grows_to_fill_its_range_at_every_step(codec):
    chunks, still, space = data(codec, 0, count=4000)
    encoded = space.encode(chunks, still)
    inside = (np.abs(encoded) <= 1.0 + 1e-9).mean(0)
    np.testing.assert_allclose(inside, 0.98, atol=0.012)
    absolute = np.array(space.relations) == "absolute"
    assert (np.ptp(np.array(space.q99), axis=0)[absolute] == 0.0).all()
    assert (np.ptp(np.array(space.q99), axis=0)[np.array(space.relations) == "sum"] > 0.5).all()


def test_when_a_channel_never_moves_expect_finite_codes():
    codec = CODECS["euler"]
    still = codec.still(commands(codec, np.random.default_rng(0), 5))
    chunks = np.repeat(still[:, None], 16, axis=1)
    space = ActionSpace.fit(codec.embodiment, chunks, still)
    assert np.isfinite(space.encode(chunks, still)).all()


@pytest.mark.parametrize(
    "change",
    [
        {"q01": [[float("nan")]]},
        {"q01": [[2.0]]},
        {"q99": []},
        {"q99": [[]]},
        {"q99": [[1.0], [1.0]]},
        {"relations": ["product"]},
        {"x": 1},
    ],
)
def test_when_a_stored_space_makes_no_sense_expect_refusal(change):
    stored = {"relations": ["sum"], "q01": [[-1.0]], "q99": [[1.0]]}
    ActionSpace.model_validate(stored)
    with pytest.raises(ValidationError):
        ActionSpace.model_validate(stored | change)
