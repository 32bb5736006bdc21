"""Rendering without a screen: which library is used, and what is said when there is none."""

import ctypes.util
import os

import pytest

from qwen_vla_core.errors import QwenVlaError
from qwen_vla_sim.gl import select_gl


@pytest.fixture
def installed(monkeypatch):
    libraries = set()
    monkeypatch.setenv("MUJOCO_GL", "")  # and so restored afterwards
    monkeypatch.setattr(
        ctypes.util, "find_library", lambda name: name if name in libraries else None
    )
    return libraries


@pytest.mark.parametrize(
    ("there", "backend"), [({"EGL", "OSMesa"}, "egl"), ({"OSMesa"}, "osmesa")]
)
def test_when_a_library_is_there_expect_it_chosen(installed, there, backend):
    installed.update(there)
    assert select_gl() == os.environ["MUJOCO_GL"] == backend


def test_when_the_user_chose_expect_that_kept(installed, monkeypatch):
    installed.add("EGL")
    monkeypatch.setenv("MUJOCO_GL", "osmesa")
    assert select_gl() == "osmesa"


def test_when_no_library_is_there_expect_the_packages_named(installed):
    with pytest.raises(QwenVlaError, match="libegl1.*libosmesa6"):
        select_gl()
