"""Each fault of an episode is found, named and timed; an episode without one has none."""

from dataclasses import replace

import numpy as np
import pytest

from qwen_vla_data.checks import check_episode, swapped_between_episodes
from qwen_vla_data.checks.labels import time_findings
from waved_episodes import ROBOTS, codec_of, dots, planned, png, teleoperated

STEPS = 40


@pytest.fixture(scope="module")
def widowx():
    return codec_of("widowx")


@pytest.fixture(scope="module")
def aloha():
    return codec_of("aloha")


def rolled(amount_T, seed):
    """Images of a scene that moves through the whole image, by so many pixels in all."""
    field = np.random.default_rng(seed).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    field = np.repeat(np.repeat(field[::8, ::8], 8, axis=0), 8, axis=1)
    return [np.roll(field, int(amount), axis=1) for amount in amount_T]


def carried(episode, codec):
    """The episode with images as its arms carry the cameras; the others stand still."""
    images = {}
    for number, camera in enumerate(codec.embodiment.cameras):
        if "wrist" not in camera.tag:
            images_T = dots(len(episode.states_TS), seed=number)
        else:
            side = "right" if "right" in camera.tag else "left"
            joints = [
                codec.embodiment.group_slice(group.name)
                for group in codec.embodiment.groups
                if group.side == side and group.tracking_limit is not None
            ]
            path_TD = np.concatenate([episode.positions_TD[:, j] for j in joints], axis=1)
            steps_T = np.abs(np.diff(path_TD, axis=0, prepend=path_TD[:1])).sum(1)
            images_T = rolled(np.cumsum(steps_T) * 400.0, seed=number)
        images[camera.name] = tuple(png(image) for image in images_T)
    return replace(episode, images=images)


def exchanged(episode, one, other):
    images = dict(episode.images)
    images[one], images[other] = images[other], images[one]
    return replace(episode, images=images)


def findings(episode, codec):
    return [(f.second, f.what) for f in check_episode(episode, codec).findings]


@pytest.mark.parametrize("robot", ROBOTS)
def test_when_nothing_is_wrong_expect_no_finding(robot):
    codec = codec_of(robot)
    assert findings(teleoperated(codec, STEPS), codec) == []
    assert findings(carried(teleoperated(codec, STEPS), codec), codec) == []


def test_when_an_expert_planned_expect_no_finding(aloha):
    assert findings(planned(aloha), aloha) == []


def with_joint(name, place, change):
    """A change of one joint in a column, from step 10 on."""

    def changed(episode):
        column = getattr(episode, name).copy()
        column[10:, place] = change(column[10:, place])
        return {name: column}

    return changed


def in_unit(factor):
    return lambda episode: {
        "commanded_TD": episode.commanded_TD * factor,
        "positions_TD": episode.positions_TD * factor,
    }


def with_image(start, end, data):
    """Images of the wrist from one to another step are ``data``."""

    def changed(episode):
        frames = list(episode.images["wrist"])
        frames[start:end] = [data or frames[start]] * (end - start)
        return {"images": {**episode.images, "wrist": tuple(frames)}}

    return changed


def late(episode):
    stamps = episode.stamps_T.copy()
    stamps[20:] += 1.3
    return {"stamps_T": stamps}


def early(episode):
    """The states go before their commands."""
    return {
        "commanded_TD": np.roll(episode.commanded_TD, 3, axis=0)[3:],
        **{
            name: getattr(episode, name)[3:]
            for name in ("states_TS", "positions_TD", "stamps_T", "modes_T", "interventions_T")
        },
        "images": {name: frames[3:] for name, frames in episode.images.items()},
    }


def elsewhere(episode):
    return {"states_TS": episode.states_TS[::-1].copy() * 1.2}


BLACK, GREY = (png(np.full((48, 64, 3), level, np.uint8)) for level in (2, 120))
HARMS = {
    "gap": (late, 3.8, "gap of 1.50 s between two steps, which come every 0.2 s"),
    "back": (lambda e: {"stamps_T": -e.stamps_T}, None, "the next stamp is 0.200 s earlier (and"),
    "standing": (lambda e: {"stamps_T": 0 * e.stamps_T}, 0.0, "time stands still: all stamps are"),
    "short": (None, 0.0, "1 steps: there is nothing to learn from"),
    "silent": (lambda e: {"instructions": ("",)}, 0.0, "instruction '': the instruction is empty"),
    "nan": (
        with_joint("positions_TD", 2, lambda v: v * np.nan),
        2.0,
        "joint elbow, measured is NaN or infinite at 30 steps",
    ),
    "outside": (
        with_joint("positions_TD", 1, lambda v: np.where(np.arange(30) == 4, 2.3, v)),
        2.8,
        "joint shoulder, measured is at 2.3 rad, outside -1.88496 to 1.98968, for 1 steps",
    ),
    "degrees": (in_unit(180.0 / np.pi), 0.0, "these look like degrees, and the embodiment says"),
    "opening": (
        with_joint("commanded_TD", 6, lambda v: (v - 0.015) / 0.022),
        2.0,
        "joint left_finger, commanded goes from",
    ),
    "black": (with_image(5, 9, BLACK), 1.0, "camera wrist: black images (4, until 1.6 s)"),
    "one colour": (with_image(5, 9, GREY), 1.0, "images of a single colour (4, until 1.6 s)"),
    "damaged": (with_image(6, 7, b"nothing"), 1.2, "camera wrist: damaged images (1, until"),
    "frozen": (with_image(5, 30, None), 1.0, "wrist is frozen for 4.8 s while the robot moves"),
    "no camera": (
        lambda e: {"images": {"wrist": e.images["wrist"]}},
        0.0,
        "no images of camera over_shoulder",
    ),
    "before": (early, None, "before its commands: they are shifted"),
    "unexplained": (elsewhere, None, "arm_x does not follow its commands: they explain"),
    "still": (
        lambda e: {"states_TS": np.tile(e.states_TS[:1], (STEPS, 1))},
        0.0,
        "and stood still",
    ),
    "mm": (
        lambda e: {"states_TS": e.states_TS * np.array([1000.0] * 3 + [1.0] * 4, np.float32)},
        0.0,
        "far outside its workspace; is that mm?",
    ),
    "left out": (lambda e: {"left_out": "2.0 s are left out"}, 0.0, "2.0 s are left out"),
    "another robot": (lambda e: {"embodiment": "aloha"}, 0.0, "recorded on aloha with 7 joints"),
}


@pytest.mark.parametrize("what", HARMS)
def test_when_something_is_wrong_expect_it_found_at_its_second(widowx, what):
    harm, second, words = HARMS[what]
    if harm is None:
        episode = teleoperated(widowx, 1)
    else:
        episode = teleoperated(widowx, STEPS)
        episode = replace(episode, **harm(episode))
    found = findings(episode, widowx)
    hits = [when for when, says in found if words in says]
    assert hits, found
    if second is not None:
        assert min(hits) == pytest.approx(second, abs=0.11)


@pytest.mark.parametrize(("lost", "found"), [(0, []), (1, ["gap of 0.10 s"])])
def test_when_cameras_are_slower_than_actions_expect_a_gap_only_where_an_image_is_missing(
    aloha, lost, found
):
    """50 actions a second, 20 images."""
    images_T = np.floor(np.arange(50) / 50.0 * 20.0 + 1e-9)
    images_T[images_T == 10] -= lost
    episode = teleoperated(aloha, 50, stamps_T=images_T / 20.0)
    assert [f.what[:13] for f in time_findings(episode, aloha.embodiment)] == found


def test_when_a_camera_stands_still_with_the_robot_expect_no_finding(widowx):
    episode = teleoperated(widowx, STEPS)
    still = {
        name: np.concatenate([column[:10], np.tile(column[10], (25, 1)), column[10:15]])
        for name, column in (
            ("commanded_TD", episode.commanded_TD),
            ("positions_TD", episode.positions_TD),
            ("states_TS", episode.states_TS),
        )
    }
    frames = episode.images["wrist"]
    paused = (*frames[:10], *(frames[10],) * 25, *frames[10:15])
    episode = replace(episode, **still, images=dict.fromkeys(episode.images, paused))
    assert findings(episode, widowx) == []


def test_when_the_wrists_of_two_arms_are_exchanged_expect_both_named(aloha):
    episode = carried(teleoperated(aloha, STEPS), aloha)
    half = STEPS // 2
    for name in ("positions_TD", "commanded_TD"):  # first the left arm moves, then the right one
        column = getattr(episode, name).copy()
        column[half:, :7], column[:half, 7:] = column[half, :7], column[half, 7:]
        episode = replace(episode, **{name: column})
    states_TS = np.stack([aloha.state(p) for p in episode.positions_TD]).astype(np.float32)
    episode = carried(replace(episode, states_TS=states_TS), aloha)
    assert findings(episode, aloha) == []
    ((_, says),) = findings(exchanged(episode, "cam_left_wrist", "cam_right_wrist"), aloha)
    assert "cam_left_wrist moves with the right arm and cam_right_wrist with the left" in says


def test_when_wrist_and_shoulder_are_exchanged_expect_both_named(widowx):
    episode = carried(teleoperated(widowx, STEPS), widowx)
    ((_, says),) = findings(exchanged(episode, "wrist", "over_shoulder"), widowx)
    assert says.startswith(
        "over_shoulder moves with the arm and wrist stands still: they are exch"
    )


def test_when_two_cameras_are_exchanged_in_one_of_the_episodes_expect_that_one(aloha):
    episodes = [teleoperated(aloha, 12, seed=n) for n in range(4)]
    episodes[2] = exchanged(episodes[2], "cam_left_wrist", "cam_right_wrist")
    looks = [check_episode(episode, aloha).looks for episode in episodes]
    found = swapped_between_episodes(looks)
    assert list(found) == [2]
    assert found[2][0].what.startswith("cam_left_wrist looks like cam_right_wrist of the other")
    assert swapped_between_episodes(looks[:2]) == {}
