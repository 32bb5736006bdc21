"""How experts drive, as plain geometry."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from qwen_vla_sim.tasks.driving import (
    HIGHEST_SPEED_M_S,
    HIGHEST_TURN_RAD_S,
    drive,
    polar,
    steer,
)
from qwen_vla_sim.worlds.base_mjcf import BASE_RADIUS_M

STOP_M = 0.75
poses = st.tuples(st.floats(-3, 3), st.floats(-3, 3), st.floats(-7, 7)).map(np.array)
places = st.tuples(st.floats(-3, 3), st.floats(-3, 3)).map(np.array)


@given(pose=poses, place=places)
def test_when_a_place_is_anywhere_expect_it_before_the_base_in_the_end(pose, place):
    start_m = polar(pose, place)[0]
    end = drive(pose, place, stop_m=STOP_M, obstacles=(), duration_s=30.0)
    distance_m, bearing = polar(end, place)
    assert distance_m <= max(start_m, STOP_M + 0.03)
    assert distance_m >= min(start_m, STOP_M) - 0.01
    if start_m > 0.05:  # else there is no direction to look in
        assert abs(bearing) < 0.05


@given(pose=poses, place=places, obstacle=places)
def test_when_it_drives_anywhere_expect_its_speeds_kept_and_never_backwards(pose, place, obstacle):
    obstacles = [(*obstacle, 0.2)]
    forward, turn = steer(pose, place, stop_m=STOP_M, obstacles=obstacles)
    assert 0.0 <= forward <= HIGHEST_SPEED_M_S and abs(turn) <= HIGHEST_TURN_RAD_S


@given(
    distance_m=st.floats(2.4, 3.0),
    share=st.floats(0.4, 0.5),
    sideways_m=st.floats(-0.5, 0.5),
    radius_m=st.floats(0.1, 0.3),
)
def test_when_something_is_in_the_way_expect_a_way_around_it(
    distance_m, share, sideways_m, radius_m
):
    place, obstacle = np.array([distance_m, 0.0]), np.array([distance_m * share, sideways_m])
    pose, nearest_m = np.zeros(3), np.inf
    for _ in range(200):
        pose = drive(pose, place, stop_m=STOP_M, obstacles=[(*obstacle, radius_m)], duration_s=0.1)
        nearest_m = min(nearest_m, polar(pose, obstacle)[0])
    assert nearest_m > radius_m + BASE_RADIUS_M
    assert polar(pose, place)[0] < STOP_M + 0.05
