"""A hypothesis strategy: rotation matrices, often where angles jump or vanish."""

import numpy as np
import pinocchio as pin
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

_AXES = arrays(float, 3, elements=st.floats(-1.0, 1.0)).filter(lambda a: np.linalg.norm(a) > 1e-3)
_ANGLES = st.one_of(st.floats(0.0, np.pi), st.floats(0.0, 1e-6), st.floats(np.pi - 1e-6, np.pi))
_by_axis = st.builds(lambda a, angle: pin.exp3(a / np.linalg.norm(a) * angle), _AXES, _ANGLES)
_at_gimbal = st.builds(
    lambda roll, side, off, yaw: pin.rpy.rpyToMatrix(roll, side * (np.pi / 2 - off), yaw),
    st.floats(-3.0, 3.0),
    st.sampled_from([-1.0, 1.0]),
    st.sampled_from([0.0, 1e-12, 1e-9, 1e-6, 1e-3]),
    st.floats(-3.0, 3.0),
)
rotations = st.one_of(_by_axis, _at_gimbal)
