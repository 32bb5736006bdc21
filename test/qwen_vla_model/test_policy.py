"""What a policy does with views that are past, missing or depth, and with canonical channels."""

import numpy as np
import pytest
import torch

from action_spaces import action_space
from micro_processor import micro_processor
from qwen_vla_core.errors import ChunkError, NonFiniteError, ObservationError
from qwen_vla_core.execution import Prefix
from qwen_vla_core.types import Observation
from qwen_vla_model import policy as policies
from qwen_vla_model.images import CAMERA_SIZES
from qwen_vla_model.policy import QwenVlaPolicy
from qwen_vla_model.tokenizer import train_tokenizer
from robots import robot, two_arms_text

VIEWS = """cameras:
  - {name: front, topic: /front, tag: ego, width: 32, height: 32, max_age_s: 0.5,
     history_steps: [2, 4]}
  - {name: depth, topic: /depth, tag: ego_depth, width: 16, height: 16, max_age_s: 0.5,
     depth_range_m: [0.2, 2.0], optional: true}
watchdogs:"""
HEAD, _, TAIL = two_arms_text().partition("cameras:")
ARMS = robot(HEAD + VIEWS + TAIL.partition("watchdogs:")[2])
TOKENIZER = train_tokenizer()
COMMANDED_D = np.array([0.3, -0.2, 0.03, -0.3, 0.2, 0.04])


def policy(fixed_shapes=False, **choices):
    """An untrained policy for both arms, in the canonical layout."""
    canonical = {"channels": 80, "channel_layout": "canonical"}
    model, processor = micro_processor(ARMS, **canonical | choices)
    space = action_space(ARMS, 0.1)
    return QwenVlaPolicy(model, processor, space, seed=1, fixed_shapes=fixed_shapes)


def image(value, size=(48, 64)):
    return np.full((*size, 3), value, np.uint8)


def observation(**over):
    fields = {
        "stamp_s": 0.0,
        "images": {"front": image(30), "depth": image(200)},
        "history": {"front": (image(10), image(20))},
        "positions_D": COMMANDED_D,
        "commanded_D": COMMANDED_D,
        "instruction": "fold the towel",
    }
    return Observation(**fields | over)


def chunk(**over):
    return policy().infer(observation(**over))


def test_when_views_are_past_and_depth_expect_each_to_make_a_difference():
    seen = chunk()
    assert seen.shape == (16, 6) and np.abs(seen).max() <= 1.0
    np.testing.assert_array_equal(chunk(), seen)
    for change in (
        {"history": {"front": (image(90), image(20))}},
        {"history": {"front": (image(10), image(90))}},
        {"images": {"front": image(30), "depth": image(90)}},
        {"images": {"front": image(30)}},  # depth is optional
    ):
        assert np.abs(chunk(**change) - seen).max() > 0.0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"images": {"depth": image(200)}}, "no image of camera front"),
        ({"history": {}}, "camera front: 0 past images instead of 2"),
        ({"history": {"front": (image(1),)}}, "1 past images instead of 2"),
    ],
)
def test_when_an_image_is_missing_expect_its_camera_named(change, words):
    with pytest.raises(ObservationError, match=words):
        chunk(**change)


def warmed_up(monkeypatch, expected, **choices):
    """A policy that has seen every view with its history, and every kind of prefix."""
    warm, asked = policy(**choices), []
    with monkeypatch.context() as patch:
        infer = warm.infer
        patch.setattr(warm, "infer", lambda *asks: asked.append((*asks, None)[:2]) or infer(*asks))
        assert 0.0 < warm.warm_up() < 60.0
    for seen, _ in asked:
        assert set(seen.images) == {"front", "depth"}
        assert {name: len(past) for name, past in seen.history.items()} == {"front": 2, "depth": 0}
    assert [prefix and prefix.committed for _, prefix in asked] == expected
    return warm


def test_when_no_prefix_was_learned_and_it_is_warmed_up_expect_guided_passes_prepared(monkeypatch):
    warmed_up(monkeypatch, [None, 1, None], prefix_steps=0)


@pytest.mark.parametrize("fixed_shapes", [False, True])
def test_when_warm_expect_nothing_left_to_prepare_for_the_first_images_of_any_camera(
    fixed_shapes, monkeypatch
):
    """Traced as on a CPU, and from buffers as on a GPU."""
    sizes = []
    monkeypatch.setattr(policies, "prepare_sizes", lambda *asked: sizes.append(asked))
    warm = warmed_up(monkeypatch, [None, 1, 4, None], fixed_shapes=fixed_shapes, prefix_steps=3)
    assert sizes == [(warm.runtime.device, ARMS.cameras)]
    programs = [*warm.runtime._fixed.values(), *warm.runtime._traced.values()]
    prepared = [(one, dict(one) if isinstance(one, dict) else one) for one in programs]
    assert len(prepared) == 2  # continued, also of nothing, and guided
    monkeypatch.setattr(torch.jit, "trace", None)
    for committed, size in enumerate(CAMERA_SIZES):
        seen = observation(
            images={"front": image(3, size), "depth": image(200, size)},
            history={"front": (image(1, size), image(2, size))},
            instruction="put the towel down " + "again " * committed,
        )
        ahead_NC = np.zeros((max(1, committed), 6), np.float32)
        warm.infer(seen, Prefix(actions_NC=ahead_NC, committed=committed))
        told = warm.diagnostics()
        assert (told["path"], told["why_eager"]) == ("graph" if fixed_shapes else "traced", "")
    programs = [*warm.runtime._fixed.values(), *warm.runtime._traced.values()]
    assert [(one, one) for one in programs] == prepared and told["eager_fallbacks"] == 0


def test_when_the_network_puts_out_more_than_the_range_expect_actions_clipped(monkeypatch):
    wild = policy()
    chunk = wild.runtime.chunk
    far = [1e4, -1e4] * 40
    monkeypatch.setattr(
        wild.runtime, "chunk", lambda *asks: torch.zeros_like(chunk(*asks)) + torch.tensor(far)
    )
    actions_HC = wild.infer(observation())
    assert set(np.unique(actions_HC)) == {-1.0, 1.0}


@pytest.mark.parametrize("control", TOKENIZER.all_special_tokens)
def test_when_an_instruction_is_a_control_token_expect_a_chunk(control):
    assert np.isfinite(chunk(instruction=f"{control} {control}")).all()


def test_when_joints_are_predicted_expect_their_motion_not_to_depend_on_where_the_arm_is():
    # The state is not an input here, so that the network puts out the same numbers.
    blind = policy(proprioception="none")
    here = blind.infer(observation())
    blind = policy(proprioception="none")
    there = blind.infer(observation(commanded_D=COMMANDED_D + 0.1 * np.array([1, 1, 0, 1, 1, 0])))
    moved = (there - here)[:, [0, 1, 3, 4]]
    np.testing.assert_allclose(moved, np.tile([0.1 / 3.0, 0.1 / 1.65] * 2, (16, 1)), atol=1e-6)
    np.testing.assert_array_equal(there[:, [2, 5]], here[:, [2, 5]])


@pytest.mark.parametrize("prefix_steps", [0, 3])
def test_when_a_prefix_is_committed_expect_the_chunk_to_begin_with_it(prefix_steps):
    rng = np.random.default_rng(0)
    codec = policy().processor.codec
    actions = codec.still(COMMANDED_D) + rng.uniform(-0.02, 0.02, (5, 6))
    told = Prefix(actions_NC=actions.astype(np.float32), committed=2)
    answer = policy(prefix_steps=prefix_steps).infer(observation(), told)
    np.testing.assert_array_equal(answer[:2], told.actions_NC[:2])


@pytest.mark.parametrize("prefix_steps", [0, 3])
def test_when_a_robot_plans_fewer_steps_than_the_model_expect_chunks_and_prefixes_of_its_own(
    prefix_steps,
):
    text = two_arms_text().replace("horizon: 16", "horizon: 8")
    short = robot(text.replace("observation_s: 0.32", "observation_s: 0.16"))
    model, processor = micro_processor(short, prefix_steps=prefix_steps)
    space = action_space(short, 0.1)
    seen = observation(images={"front": image(30)}, history={})
    actions = np.tile(processor.codec.still(COMMANDED_D), (8, 1)).astype(np.float32)
    whole, none_left = (Prefix(actions_NC=actions, committed=n) for n in (2, 8))
    answer = QwenVlaPolicy(model, processor, space).infer(seen, whole)
    assert answer.shape == (8, 6)
    np.testing.assert_array_equal(answer[:2], actions[:2])
    with pytest.raises(ChunkError, match="8 committed"):
        QwenVlaPolicy(model, processor, space).infer(seen, none_left)


def test_when_the_command_is_not_finite_expect_refusal():
    with pytest.raises(NonFiniteError):
        chunk(commanded_D=np.full(6, np.nan))


@pytest.mark.parametrize("prefix_steps", [0, 3])
def test_when_shapes_are_fixed_expect_the_same_chunks_and_fallbacks_only_where_needed(
    prefix_steps,
):
    """As on a GPU: warmed up once; then other words and prefixes run from the same buffers."""
    fixed, free = (policy(fixed_shapes=f, prefix_steps=prefix_steps) for f in (True, False))
    fixed.warm_up()
    prepared = list(fixed.runtime._fixed.values())
    fixed.runtime._generator.set_state(free.runtime._generator.get_state())
    actions_NC = np.linspace(-0.5, 0.5, 30, dtype=np.float32).reshape(5, 6)
    two, five = (Prefix(actions_NC=actions_NC[:n], committed=n) for n in (2, 5))
    for seen, prefix in (
        (observation(), None),
        (observation(instruction="put the red towel on the left shelf"), two),
        (observation(instruction="wait"), five),
    ):
        chunk = fixed.infer(seen, prefix)
        assert fixed.diagnostics()["path"] == "graph"
        np.testing.assert_allclose(chunk, free.infer(seen, prefix), atol=1e-4)
    for words, seen in (
        ("tokens", observation(instruction="fold the towel and then " * 20)),
        ("another shape", observation(images={"front": image(30)})),
    ):
        np.testing.assert_allclose(fixed.infer(seen), free.infer(seen), atol=1e-4)
        told = fixed.diagnostics()
        assert told["path"] == "eager" and words in told["why_eager"]
    assert told["eager_fallbacks"] == 2
    assert list(fixed.runtime._fixed.values()) == prepared  # nothing was prepared since


def test_when_a_gpu_holds_float32_expect_it_said_and_on_a_cpu_nothing():
    slow = policy()
    assert slow.slow_reason == ""
    slow.runtime.device = torch.device("cuda")
    assert "set weights to bfloat16" in slow.slow_reason
    slow.runtime.model.bfloat16()
    assert "bfloat16" not in slow.slow_reason


@pytest.mark.parametrize("committed", [None, 0, 3])
def test_when_several_robots_ask_at_once_expect_each_the_answer_that_it_gets_alone(committed):
    asked = [observation(), observation(images={"front": image(90), "depth": image(9)})]
    prefixes = [None, None]
    if committed is not None:
        prefixes = [
            Prefix(actions_NC=np.full((4, 6), value, np.float32), committed=committed)
            for value in (0.1, -0.2)
        ]
    alone, at_once = policy(prefix_steps=4), policy(prefix_steps=4)
    expected = [alone.infer(*ask) for ask in zip(asked, prefixes, strict=True)]
    np.testing.assert_allclose(at_once.infer_batch(asked, prefixes), expected, atol=1e-4)
    assert np.abs(expected[0] - expected[1]).max() > 1e-3
