"""One MuJoCo world per embodiment, drawn with primitives."""

from ..gl import select_gl

select_gl()  # before a module here imports mujoco, which reads it then
