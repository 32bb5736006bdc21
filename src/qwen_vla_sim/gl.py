"""Chooses how MuJoCo renders without a screen; import this before anything renders."""

import ctypes.util
import os

from qwen_vla_core.errors import QwenVlaError

_LIBRARY = {"egl": "EGL", "osmesa": "OSMesa"}


def select_gl() -> str:
    """Set ``MUJOCO_GL`` to a backend this machine has, unless the user already chose one.

    Returns:
        The backend: ``egl`` (a GPU, or Mesa's software renderer on several threads), or
        ``osmesa`` (software, one thread).
    Raises:
        QwenVlaError: neither library is installed.
    """
    chosen = os.environ.get("MUJOCO_GL")
    if chosen:
        return chosen
    for backend, library in _LIBRARY.items():
        if ctypes.util.find_library(library):
            os.environ["MUJOCO_GL"] = backend
            return backend
    raise QwenVlaError(
        "the simulated cameras need an off-screen OpenGL: install libegl1 "
        "(and libgl1-mesa-dri) or libosmesa6 with the system's package manager"
    )
