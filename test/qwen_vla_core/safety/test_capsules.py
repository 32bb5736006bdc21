"""Distances between rods, beside those that MuJoCo computes."""

import mujoco
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from qwen_vla_core.safety.capsules import axis_distances

WORLD = """
<mujoco><worldbody>
  <geom name="a" type="capsule" fromto="{}" size="0.01"/>
  <geom name="b" type="capsule" fromto="{}" size="0.01"/>
</worldbody></mujoco>"""
numbers = st.one_of(st.floats(-1.0, 1.0), st.sampled_from([0.0, 0.25, 0.5, 1.0]))
ends = st.lists(numbers, min_size=6, max_size=6).map(lambda six: np.array(six).reshape(2, 3))


def by_mujoco(a, b):
    texts = (" ".join(f"{x:.9f}" for x in of.ravel()) for of in (a, b))
    model = mujoco.MjModel.from_xml_string(WORLD.format(*texts))
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    return mujoco.mj_geomDistance(model, data, 0, 1, 10.0, np.zeros(6)) + 0.02


@settings(max_examples=150, deadline=None)
@given(ends, ends)
def test_when_rods_lie_anywhere_expect_the_distances_that_mujoco_finds(a, b):
    if min(np.linalg.norm(a[1] - a[0]), np.linalg.norm(b[1] - b[0])) < 0.01:
        return  # MuJoCo knows no capsule without a length
    distance = float(axis_distances(a, b))
    np.testing.assert_allclose(distance, by_mujoco(a, b), atol=2e-5)
    np.testing.assert_allclose(distance, axis_distances(b, a), atol=1e-7)
    np.testing.assert_allclose(distance, axis_distances(a[::-1], b), atol=1e-7)


@settings(max_examples=100, deadline=None)
@given(ends, numbers, st.floats(-2.0, 2.0), st.floats(-2.0, 2.0))
def test_when_rods_are_parallel_or_balls_expect_no_distance_missed(a, offset, start, length):
    along = a[1] - a[0]
    b = a[0] + np.outer([start, start + length], along) + [0.0, 0.0, offset]
    shares = np.linspace(0.0, 1.0, 201)[:, None]
    on_a, on_b = a[0] + shares * along, b[0] + shares * (b[1] - b[0])
    sampled = np.linalg.norm(on_a[:, None] - on_b[None], axis=-1).min()
    distance = float(axis_distances(a, b))
    assert distance <= sampled + 1e-7
    spacing = (np.linalg.norm(along) + np.linalg.norm(b[1] - b[0])) / 200
    assert distance >= sampled - spacing
