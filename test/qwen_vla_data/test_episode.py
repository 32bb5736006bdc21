"""An episode comes back from disk exactly, and damage is an error with the file's name."""

import numpy as np
import pytest

from qwen_vla_core.errors import QwenVlaError
from qwen_vla_data.episode import Episode


def episode(**changes):
    rng = np.random.default_rng(0)
    values = {
        "embodiment": "widowx",
        "stride": 10,
        "seed": 10_000,
        "instructions": ("pick up the red block", "pick up the blue block"),
        "images": {"wrist": (b"one", b"", b"three"), "over_shoulder": (b"x" * 50, b"y", b"z")},
        "states_TS": rng.normal(size=(3, 7)).astype(np.float32),
        "commanded_TD": rng.normal(size=(3, 7)).astype(np.float32),
        "actions_NTHC": rng.normal(size=(2, 3, 16, 7)).astype(np.float32),
        "valid_NTH": rng.random((2, 3, 16)) > 0.5,
        "boxes_NTV4": np.full((2, 3, 2, 4), np.nan, dtype=np.float32),
    }
    return Episode(**(values | changes))


def test_when_an_episode_is_saved_and_loaded_expect_the_same_bytes_and_numbers(tmp_path):
    saved = episode()
    saved.save(tmp_path / "10000.npz")
    loaded = Episode.load(tmp_path / "10000.npz")
    assert loaded.stride == 10
    assert loaded.instructions == saved.instructions and loaded.images == saved.images
    for name in ("states_TS", "commanded_TD", "actions_NTHC", "valid_NTH", "boxes_NTV4"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(saved, name))
    assert [path.name for path in tmp_path.iterdir()] == ["10000.npz"]


def test_when_nobody_planned_expect_the_episode_to_come_back_without_plans(tmp_path):
    saved = episode(
        instructions=("pick it up",),
        stride=1,
        seed=None,
        actions_NTHC=None,
        valid_NTH=None,
        boxes_NTV4=None,
    )
    saved.save(tmp_path / "one.npz")
    loaded = Episode.load(tmp_path / "one.npz")
    assert (loaded.seed, loaded.instructions, loaded.images) == (
        None,
        saved.instructions,
        saved.images,
    )
    assert loaded.actions_NTHC is loaded.valid_NTH is loaded.boxes_NTV4 is None


def test_when_a_robot_was_recorded_expect_its_stamps_modes_and_outcome_back(tmp_path):
    columns = {
        "positions_TD": np.random.default_rng(1).normal(size=(3, 7)),
        "stamps_T": 1.7e9 + np.arange(3) / 5.0,
        "modes_T": np.array(["HOLD", "AUTONOMY", "TELEOP"]),
        "interventions_T": np.array([False, False, True]),
        "observed_T": np.array([True, False, True]),
        "left_out": "2.0 s of the 3.0 s that were driven are left out",
        "success": False,
        "done_NT": np.array([[False, False, True], [False] * 3]),
        "things": ("red block", "blue block"),
        "seen_KTV4": np.full((2, 3, 2, 4), 0.5, dtype=np.float32),
    }
    episode(**columns).save(tmp_path / "one.npz")
    loaded = Episode.load(tmp_path / "one.npz")
    assert loaded.success is False
    assert (loaded.things, loaded.left_out) == (columns["things"], columns["left_out"])
    for name in columns.keys() - {"success", "things", "left_out"}:
        np.testing.assert_array_equal(getattr(loaded, name), columns[name])


@pytest.mark.parametrize("changes", [{"stride": 10}, {"instructions": ("up", "down")}])
def test_when_nobody_planned_expect_one_instruction_and_every_step_or_refusal(changes):
    whole = {"stride": 1, "instructions": ("up",), "boxes_NTV4": None}
    with pytest.raises(QwenVlaError, match="without plans there is one instruction"):
        episode(**(whole | changes), actions_NTHC=None, valid_NTH=None)


@pytest.mark.parametrize(
    "changes",
    [
        {"images": {"wrist": (b"one",), "over_shoulder": (b"x",) * 3}},
        {"instructions": ("pick up the red block",)},
        {"valid_NTH": np.ones((2, 3, 8), dtype=bool)},
        {"boxes_NTV4": np.zeros((2, 3, 1, 4))},
        {"commanded_TD": np.zeros((2, 7))},
        {"stamps_T": np.zeros(2)},
        {"done_NT": np.zeros((2, 2), dtype=bool)},
        {"things": ("red block",)},
        {"things": ("red block",), "seen_KTV4": np.zeros((2, 3, 2, 4))},
    ],
)
def test_when_parts_do_not_fit_each_other_expect_refusal(changes):
    with pytest.raises(QwenVlaError, match="10000"):
        episode(**changes)


def test_when_a_file_is_truncated_expect_an_error_with_its_name(tmp_path):
    path = tmp_path / "10000.npz"
    episode().save(path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(QwenVlaError, match=r"10000\.npz"):
        Episode.load(path)


def test_when_a_file_holds_a_pickle_expect_refusal_and_nothing_run(tmp_path):
    class Canary:
        def __reduce__(self):
            return (open, (str(tmp_path / "canary"), "w"))

    path = tmp_path / "evil.npz"
    np.savez(path, format_version=np.array([Canary()], dtype=object))
    with pytest.raises(QwenVlaError, match=r"evil\.npz"):
        Episode.load(path)
    assert not (tmp_path / "canary").exists()
