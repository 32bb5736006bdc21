"""A robot and another's server, over real sockets; the server shares no code with ours."""

import threading
import time

import numpy as np
import pytest

from openpi_server import openpi_server
from qwen_vla_core.embodiment import EmbodimentCodec, load_embodiment
from qwen_vla_core.errors import RemoteError
from qwen_vla_remote.backend import Adapter, find_backend, in_joint_space, load_backend
from qwen_vla_remote.client import RemotePolicy
from robots import WIDOWX
from scripted_policy import ScriptedPolicy, scene, serving

ALOHA = load_embodiment(WIDOWX.with_name("aloha.yaml"))
DRIVEN = in_joint_space(ALOHA)


def policy_at(url, **options):
    adapter = Adapter(load_backend(find_backend("openpi_aloha")), ALOHA, "openpi_aloha")
    return RemotePolicy(url, DRIVEN, dialect=adapter, **options)


def stay(observation):
    """Answers that the robot should stay where it says that it is, with its grippers open."""
    actions = np.tile(observation["state"].astype(np.float32), (50, 1))
    actions[:, [6, 13]] = 1.0
    return {"actions": actions, "policy_timing": {"infer_ms": 1.0}, "server_timing": {}}


def test_when_an_aloha_is_driven_by_openpis_server_expect_joint_targets_of_our_embodiment():
    with openpi_server(stay, {"reset_pose": [0, -1.5, 1.5, 0, 0, 0]}) as (url, observations):
        policy = policy_at(url + "/v1/realtime/robot/openpi", deadline_s=10.0)
        assert policy.warm_up() > 0
        seen = scene(ALOHA, 0.5, instruction="fold the towel")
        actions_HC = policy.infer(seen)
        policy.close()
    chunk = EmbodimentCodec(DRIVEN).decode(actions_HC, seen.commanded_D, 0.0)
    expected = seen.commanded_D.copy()
    expected[[6, 13]] = 0.058
    np.testing.assert_allclose(chunk.positions_TD[-1], expected, atol=1e-5)
    received = observations[-1]
    assert received["prompt"] == "fold the towel" and received["state"].shape == (14,)
    image = received["images"]["cam_high"]  # 64 x 48 in the middle of black, brightness 100
    assert image.shape == (3, 224, 224) and image.dtype == np.uint8
    assert (image[:, 28:196] == 100).all() and image[:, :28].max() == 0


def test_when_openpis_server_fails_expect_its_words_and_answers_again_afterwards():
    fails = [True]

    def infer(observation):
        if fails:
            fails.clear()
            raise ValueError("out of memory")
        return stay(observation)

    with openpi_server(infer) as (url, _):
        policy = policy_at(url, deadline_s=10.0)
        with pytest.raises(RemoteError, match=f"{url}: Traceback: .*out of memory"):
            policy.infer(scene(ALOHA))
        assert np.isfinite(policy.infer(scene(ALOHA))).all()
        assert policy.diagnostics()["reconnects"] == 1
        policy.close()


def test_when_an_answer_is_late_expect_its_connection_given_up_so_that_none_is_mistaken():
    may_go_on, marks = threading.Event(), []

    def infer(observation):
        marks.append(len(marks))
        answer = stay(observation)
        answer["actions"][:, 0] = 0.1 * marks[-1]
        if marks[-1] == 0:
            may_go_on.wait(20)
        return answer

    with openpi_server(infer) as (url, _):
        policy = policy_at(url, deadline_s=0.5)
        begin_s = time.monotonic()
        with pytest.raises(RemoteError, match="no answer within 0.5 s"):
            policy.infer(scene(ALOHA))
        assert time.monotonic() - begin_s < 5.0
        policy.deadline_s = 10.0
        may_go_on.set()
        waist = EmbodimentCodec(DRIVEN).decode(policy.infer(scene(ALOHA)), np.zeros(14), 0.0)
        assert waist.positions_TD[-1, 0] == pytest.approx(0.1, abs=1e-5)  # not the late one's 0.0
        policy.close()


def test_when_the_server_is_ours_expect_to_be_told_to_leave_the_backend_out():
    with serving(ScriptedPolicy(ALOHA), ALOHA) as (_, url):
        with pytest.raises(RemoteError, match="use it without a backend"):
            policy_at(url)


def test_when_a_server_is_openpis_and_no_backend_is_named_expect_refusal():
    with openpi_server(stay) as (url, _), pytest.raises(RemoteError, match="--backend|backend:="):
        RemotePolicy(url, ALOHA)
