"""Chunks are played by time, joined without a step, and refused whole."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qwen_vla_core.execution import ChunkVerdict, Timeline
from qwen_vla_core.types import ActionChunk

STEP_S, STEPS = 0.1, 11
HERE_D = np.zeros(2)


def chunk_at(stamp_s, start=0.0, speed=0.0, steps=STEPS):
    """A straight line of 1 s in both joints."""
    line = start + speed * STEP_S * np.arange(steps)
    return ActionChunk(
        stamp_s=stamp_s,
        step_s=STEP_S,
        positions_TD=np.stack([line, line], axis=1),
        velocities_TD=np.full((steps, 2), float(speed)),
    )


def timeline_with(*chunks, jump_limit=0.5, crossfade_s=0.1, points=STEPS):
    timeline = Timeline(
        ("waist", "elbow"),
        step_s=STEP_S,
        points=points,
        jump_limit=jump_limit,
        crossfade_s=crossfade_s,
    )
    for chunk in chunks:
        offer = timeline.offer(chunk, now_s=chunk.stamp_s, command_D=HERE_D)
        assert offer.verdict is ChunkVerdict.ACCEPTED, offer
    return timeline


def spoilt(chunk, key, value):
    array = getattr(chunk, key).copy()
    array[-1, -1] = value
    return replace(chunk, **{key: array})


def test_when_nothing_was_offered_expect_nothing():
    assert timeline_with().sample(1.0) is None


def test_when_between_points_expect_a_straight_line_and_nothing_outside_the_chunk():
    timeline = timeline_with(chunk_at(10.0, speed=1.0))
    sample = timeline.sample(10.55)
    np.testing.assert_allclose(sample.positions_D, [0.55, 0.55])
    np.testing.assert_allclose(sample.velocities_D, [1.0, 1.0])
    assert timeline.sample(9.999) is None
    np.testing.assert_allclose(timeline.sample(11.0).positions_D, [1.0, 1.0])
    assert timeline.sample(11.001) is None


@pytest.mark.parametrize(
    "chunk, verdict, reason",
    [
        (spoilt(chunk_at(10.5), "positions_TD", np.nan), ChunkVerdict.NON_FINITE, "NaN"),
        (spoilt(chunk_at(10.5), "velocities_TD", np.inf), ChunkVerdict.NON_FINITE, "NaN"),
        (replace(chunk_at(10.5), stamp_s=np.nan), ChunkVerdict.NON_FINITE, "NaN"),
        (replace(chunk_at(10.5), step_s=np.inf), ChunkVerdict.NON_FINITE, "NaN"),
        (
            ActionChunk(
                stamp_s=10.5,
                step_s=STEP_S,
                positions_TD=np.zeros((3, 3)),
                velocities_TD=np.zeros((3, 3)),
            ),
            ChunkVerdict.MALFORMED,
            "3 joints, not 2",
        ),
        (
            replace(chunk_at(10.5), positions_TD=np.zeros((STEPS, 2), dtype=int)),
            ChunkVerdict.MALFORMED,
            "not floats",
        ),
        (chunk_at(10.0), ChunkVerdict.OLD, "0.000 s before the chunk in use"),
        (chunk_at(9.8), ChunkVerdict.OLD, "0.200 s before"),
        (chunk_at(10.56), ChunkVerdict.FUTURE, "0.060 s in the future"),
        (
            chunk_at(10.5, steps=STEPS - 1),
            ChunkVerdict.MALFORMED,
            "10 points; a chunk of this robot",
        ),
        (chunk_at(10.5, steps=100_000), ChunkVerdict.MALFORMED, "100000 points"),
        (replace(chunk_at(10.5), step_s=1e9), ChunkVerdict.MALFORMED, "a step of 1e+09 s"),
        (replace(chunk_at(10.5), step_s=0.0999), ChunkVerdict.MALFORMED, "this robot's is 0.1 s"),
        (chunk_at(10.5, start=0.51), ChunkVerdict.JUMP, "waist would jump 0.510, limit 0.500"),
        (chunk_at(10.1, speed=2.0), ChunkVerdict.JUMP, "waist would jump 0.800"),
    ],
)
def test_when_a_chunk_is_bad_expect_it_refused_whole_and_the_old_one_going_on(
    chunk, verdict, reason
):
    timeline = timeline_with(chunk_at(10.0, speed=0.2))
    before = timeline.sample(10.5)
    offer = timeline.offer(chunk, now_s=10.5, command_D=HERE_D)
    assert offer.verdict is verdict and reason in offer.reason
    np.testing.assert_array_equal(timeline.sample(10.5).positions_D, before.positions_D)
    np.testing.assert_allclose(timeline.sample(10.9).positions_D, [0.18, 0.18])


def test_when_a_chunk_was_observed_before_the_mode_expect_it_refused_until_a_newer_one():
    timeline = timeline_with(chunk_at(10.0))
    timeline.clear(valid_from_s=10.3)
    assert timeline.sample(10.3) is None
    offer = timeline.offer(chunk_at(10.29), now_s=10.35, command_D=HERE_D)
    assert offer.verdict is ChunkVerdict.BEFORE_MODE and "0.010 s before" in offer.reason
    offer = timeline.offer(chunk_at(10.3), now_s=10.35, command_D=HERE_D)
    assert offer.verdict is ChunkVerdict.ACCEPTED


def test_when_a_refused_chunk_was_newer_expect_it_not_to_bar_the_next():
    timeline = timeline_with()
    bad = spoilt(chunk_at(10.2), "positions_TD", np.nan)
    assert timeline.offer(bad, now_s=10.3, command_D=HERE_D).verdict is ChunkVerdict.NON_FINITE
    offer = timeline.offer(chunk_at(10.1), now_s=10.3, command_D=HERE_D)
    assert offer.verdict is ChunkVerdict.ACCEPTED


def test_when_a_chunk_ran_out_expect_its_stamp_still_to_bar_older_ones():
    timeline = timeline_with(chunk_at(10.0, steps=3), points=3)
    assert timeline.sample(10.5) is None
    offer = timeline.offer(chunk_at(9.9, steps=3), now_s=10.05, command_D=HERE_D)
    assert offer.verdict is ChunkVerdict.OLD


def test_when_a_chunks_last_point_has_passed_expect_it_refused_as_late():
    timeline = timeline_with(points=4)
    offer = timeline.offer(chunk_at(10.1, steps=4), now_s=10.5, command_D=HERE_D)
    assert offer.verdict is ChunkVerdict.LATE and "0.100 s ago" in offer.reason


def test_when_a_joint_is_driven_by_velocity_expect_no_jump_check_on_it():
    timeline = timeline_with(jump_limit=np.array([0.5, np.inf]))
    chunk = chunk_at(10.0)
    chunk.positions_TD[:, 1] = 5.0
    assert timeline.offer(chunk, now_s=10.0, command_D=HERE_D).verdict is ChunkVerdict.ACCEPTED


def test_when_a_chunk_is_slightly_ahead_expect_it_to_start_at_its_stamp():
    timeline = timeline_with(chunk_at(10.0, start=0.2))
    timeline.sample(10.2)
    timeline.offer(chunk_at(10.34, start=0.4), now_s=10.3, command_D=np.array([0.2, 0.2]))
    np.testing.assert_allclose(timeline.sample(10.34).positions_D, [0.2, 0.2])
    np.testing.assert_allclose(timeline.sample(10.45).positions_D, [0.4, 0.4])


def test_when_a_chunk_replaces_another_expect_a_fade_from_the_old_to_the_new():
    timeline = timeline_with(chunk_at(10.0, start=0.1))
    timeline.sample(10.4)
    command_D = np.array([0.1, 0.1])
    timeline.offer(chunk_at(10.3, start=0.3, speed=1.0), now_s=10.4, command_D=command_D)
    np.testing.assert_allclose(timeline.sample(10.4).positions_D, [0.1, 0.1])
    half = timeline.sample(10.45)
    np.testing.assert_allclose(half.positions_D, (0.1 + 0.45) / 2)
    np.testing.assert_allclose(half.velocities_D, 0.5)
    np.testing.assert_allclose(timeline.sample(10.5).positions_D, [0.5, 0.5])


def test_when_nothing_was_playing_expect_a_fade_from_the_command_in_force():
    timeline = timeline_with(chunk_at(9.0))
    command_D = np.array([0.2, -0.2])
    timeline.offer(chunk_at(10.4), now_s=10.5, command_D=command_D)
    np.testing.assert_allclose(timeline.sample(10.5).positions_D, command_D)
    np.testing.assert_allclose(timeline.sample(10.5).velocities_D, [0.0, 0.0])
    np.testing.assert_allclose(timeline.sample(10.6).positions_D, [0.0, 0.0])


@pytest.mark.parametrize(
    "change", [{"jump_limit": 0.0}, {"jump_limit": np.nan}, {"crossfade_s": 0}]
)
def test_when_a_limit_makes_no_sense_expect_an_error(change):
    with pytest.raises(ValueError, match="must be positive"):
        timeline_with(**change)


chunks = st.tuples(
    st.floats(0.0, 0.3),  # age at arrival
    st.floats(-0.4, 0.4),  # start
    st.floats(-0.5, 0.5),  # speed
    st.integers(1, 30),  # periods until it arrives
)


@settings(max_examples=60, deadline=None)
@given(st.lists(chunks, min_size=1, max_size=8))
def test_when_chunks_arrive_at_any_time_expect_no_step_and_nothing_beyond_the_points(arrivals):
    dt_s, jump, crossfade_s = 0.01, 0.9, 0.1
    timeline = timeline_with(jump_limit=jump, crossfade_s=crossfade_s)
    # Within one period the plan moves at most at its own speed, plus smoothstep's steepest slope
    # of 1.5 / crossfade times the distance of each plan from what it fades in over. That distance
    # is known when it arrives, and changes by what moves meanwhile.
    now_s, last_D, fading = 10.0, HERE_D, []
    for age_s, start, speed, periods in arrivals:
        for _ in range(periods):
            now_s += dt_s
            sample = timeline.sample(now_s)
            command_D = last_D if sample is None else sample.positions_D
            slope = 0.5 + sum(
                1.5 / crossfade_s * gap for t, gap in fading if now_s < t + crossfade_s + dt_s
            )
            assert (np.abs(command_D - last_D) <= slope * dt_s + 1e-9).all()
            assert (np.abs(command_D) <= 0.4 + 0.5 * 1.0 + 1e-9).all()
            last_D = command_D
        chunk = chunk_at(now_s - age_s, start, speed)
        offer = timeline.offer(chunk, now_s=now_s, command_D=last_D)
        if offer.verdict is ChunkVerdict.ACCEPTED:
            np.testing.assert_allclose(timeline.sample(now_s).positions_D, last_D, atol=1e-9)
            gap = np.abs(start + speed * age_s - last_D).max() + 2 * 0.5 * crossfade_s
            gap += sum(gap for t, gap in fading if now_s < t + crossfade_s)
            fading.append((now_s, gap))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-3.0, 3.0), min_size=2, max_size=8), st.floats(0.0, 1.0))
def test_when_sampled_anywhere_expect_values_between_the_neighbouring_points(points, place):
    points_TD = np.array(points)[:, np.newaxis]
    chunk = ActionChunk(
        stamp_s=0.0, step_s=0.5, positions_TD=points_TD, velocities_TD=np.zeros_like(points_TD)
    )
    timeline = Timeline(
        ("waist",), step_s=0.5, points=len(points), jump_limit=10.0, crossfade_s=1e-9
    )
    timeline.offer(chunk, now_s=0.0, command_D=np.zeros(1))
    now_s = max(place * chunk.end_s, 1e-6)
    value = timeline.sample(now_s).positions_D[0]
    k = min(int(now_s / 0.5), len(points) - 2)
    assert min(points[k : k + 2]) - 1e-9 <= value <= max(points[k : k + 2]) + 1e-9
