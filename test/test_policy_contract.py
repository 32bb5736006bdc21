"""What a policy promises, whoever it is: ours, standing still, a replay, remote ones, a guest's.

Somebody's own policy is tried by adding it to ``POLICIES``.
"""

import json
import math
import threading
from contextlib import contextmanager
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from micro_processor import micro_processor
from noise_episodes import WIDOWX
from openpi_server import openpi_server
from qwen_vla_core.embodiment import EmbodimentCodec
from qwen_vla_core.errors import CheckpointError
from qwen_vla_core.execution import Prefix
from qwen_vla_core.modes import Mode
from qwen_vla_core.policy import ChannelPolicy, Policy
from qwen_vla_data.replay import ReplayPolicy
from qwen_vla_model.action_space import ActionSpace
from qwen_vla_model.policy import QwenVlaPolicy
from qwen_vla_remote.backend import Adapter, find_backend, in_joint_space, load_backend
from qwen_vla_remote.client import RemotePolicy
from qwen_vla_ros import load_policy as loading
from qwen_vla_ros.load_policy import is_ours, load_policy
from scripted_policy import scene, serving
from waved_episodes import codec_of, teleoperated

ALOHA = codec_of("aloha").embodiment
CHANNELS = len(WIDOWX.action_channels)


class Guest(ChannelPolicy):
    """Somebody's own: all that is written of it is how it is loaded, and ``infer``."""

    def __init__(self, folder, embodiment, *, device, weights, threads):
        super().__init__(EmbodimentCodec(embodiment))
        self.folder, self.options = folder, (device, weights, threads)

    def infer(self, observation, prefix=None):
        actions_HC = np.full((WIDOWX.horizon, CHANNELS), 0.25, np.float32)
        if prefix is not None:
            actions_HC[: prefix.committed] = prefix.actions_NC[: prefix.committed]
        return actions_HC


def ours():
    model, processor = micro_processor(WIDOWX, prefix_steps=6)
    still_NC = np.zeros((2, CHANNELS))
    chunks_NHC = np.random.default_rng(0).uniform(-1, 1, (2, WIDOWX.horizon, CHANNELS))
    return QwenVlaPolicy(model, processor, ActionSpace.fit(WIDOWX, chunks_NHC, still_NC))


@contextmanager
def remote():
    served = ours()
    served.may_go_on = threading.Event()  # as the server's double has it
    with serving(served, WIDOWX) as (_, url):
        yield RemotePolicy(url, WIDOWX, deadline_s=20.0), WIDOWX


@contextmanager
def foreign():
    """Openpi's server for an ALOHA, which knows no prefix."""
    robot = in_joint_space(ALOHA)

    def infer(observation):
        return {"actions": np.repeat(observation["state"][None].astype(float), 50, axis=0)}

    with openpi_server(infer) as (url, _):
        dialect = Adapter(load_backend(find_backend("openpi_aloha")), ALOHA, "openpi_aloha")
        yield RemotePolicy(url, robot, 20.0, dialect), robot


@contextmanager
def here(policy):
    yield policy, policy.codec.embodiment


POLICIES = {
    "ours": lambda _: here(ours()),
    "hold": lambda _: here(load_policy("hold", WIDOWX)),
    "replay": lambda _: here(
        ReplayPolicy(teleoperated(codec_of("widowx"), 30), codec_of("widowx"), "an episode")
    ),
    "remote": lambda _: remote(),
    "openpi": lambda _: foreign(),
    "guest": lambda folder: here(load_policy(str(folder), WIDOWX)),
}
CONTINUES = {"ours", "hold", "remote", "guest"}
"""Those that know what a prefix is; the others only say what they would do without."""


@pytest.fixture
def guests_folder(tmp_path, monkeypatch):
    """A checkpoint of the guest's, whose package is installed."""
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "guest"}))
    entry = EntryPoint("guest", f"{__name__}:Guest", loading.ENTRY_POINTS)
    monkeypatch.setattr(loading, "entry_points", lambda group: [entry])
    return tmp_path


@pytest.fixture(params=POLICIES)
def promised(request, guests_folder):
    """A policy, its robot, and its name."""
    with POLICIES[request.param](guests_folder) as (policy, robot):
        yield policy, robot, request.param
        policy.close()


def test_when_a_policy_is_asked_for_expect_all_that_is_promised(promised):
    policy, robot, name = promised
    assert isinstance(policy.slow_reason, str)
    assert 0.0 < policy.warm_up() < math.inf
    seen = scene(robot, 0.5, stamp_s=3.0)
    shape = (robot.horizon, len(robot.action_channels))

    policy.reseed(7)
    actions_HC = policy.infer(seen)
    assert actions_HC.shape == shape and actions_HC.dtype == np.float32
    assert np.isfinite(actions_HC).all() and np.abs(actions_HC).max() <= 1.0
    if name != "remote":  # a server's noise is its own
        policy.reseed(7)
        np.testing.assert_array_equal(policy.infer(seen), actions_HC)

    ahead_NC = np.linspace(-0.1, 0.1, 3 * shape[1], dtype=np.float32).reshape(3, -1)
    continued_HC = policy.infer(seen, Prefix(actions_NC=ahead_NC, committed=3))
    assert continued_HC.shape == shape and np.abs(continued_HC).max() <= 1.0
    if name in CONTINUES:
        np.testing.assert_array_equal(continued_HC[:3], ahead_NC)

    chunk = policy.plan(seen)
    assert (chunk.stamp_s, chunk.step_s) == (3.0, robot.action_step_s)
    assert chunk.positions_TD.shape == (robot.horizon + 1, len(robot.joints))
    assert np.isfinite(chunk.positions_TD).all() and np.isfinite(chunk.velocities_TD).all()
    np.testing.assert_allclose(chunk.positions_TD[0], seen.commanded_D)

    for mode in Mode:
        other = threading.Thread(target=policy.on_mode, args=(mode,))
        other.start()
        other.join()
    assert math.isnan(policy.done(seen)) or 0.0 <= policy.done(seen) <= 1.0
    assert isinstance(policy.answer(seen), str)
    said = policy.diagnostics()
    assert said["path"] and json.loads(json.dumps(said))
    policy.close()
    policy.close()


def test_when_a_robot_holds_behind_a_prefix_expect_it_to_stay_where_that_leads():
    policy = load_policy("hold", ALOHA)
    seen, channels = scene(ALOHA), len(ALOHA.action_channels)
    np.testing.assert_allclose(
        policy.plan(seen).positions_TD, np.tile(seen.commanded_D, (17, 1)), atol=1e-4
    )
    ahead_NC = np.repeat(policy.infer(seen)[:1] + np.float32(0.1), 4, axis=0)
    actions_HC = policy.infer(seen, Prefix(actions_NC=ahead_NC, committed=2))
    np.testing.assert_allclose(actions_HC, np.tile(ahead_NC[0], (16, 1)), atol=1e-5)
    assert actions_HC.shape == (16, channels)


def test_when_a_checkpoint_is_a_guests_expect_its_package_to_load_it_and_others_named(
    guests_folder, monkeypatch
):
    policy = load_policy(str(guests_folder), WIDOWX, device="cpu", threads=2)
    assert isinstance(policy, Guest) and policy.options == ("cpu", None, 2)
    assert not is_ours(str(guests_folder)) and is_ours(None) and is_ours("owner/model")
    monkeypatch.setattr(loading, "entry_points", lambda group: [])
    with pytest.raises(CheckpointError, match=r"model_type is guest, .*there are: qwen_vla\)"):
        load_policy(str(guests_folder), WIDOWX)


def test_when_the_contract_is_read_expect_every_promise_tried_here():
    promises = {name for name in vars(Policy) if not name.startswith("_")}
    tried = test_when_a_policy_is_asked_for_expect_all_that_is_promised.__code__.co_names
    assert promises | {*Policy.__annotations__} <= {*tried}
