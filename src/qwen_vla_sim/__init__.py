"""Simulated robots: MuJoCo worlds, tasks, scripted experts, and a node that poses as hardware."""

from .gl import select_gl

select_gl()  # before any module here imports mujoco, which reads it then
