"""Messages whose parts are used again: what stays is not set anew, and is right all the same."""

import resource
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pinocchio as pin
import pytest

from qwen_vla_core.scene import Event, OldPath, PlannedPath, Status
from qwen_vla_ros.scene_messages import (
    BANNER_LETTERS,
    PathMessages,
    SceneMarkers,
    Transforms,
)
from scenes import NOTHING


def scene(stamp_s, **drawn):
    return replace(NOTHING, stamp_s=stamp_s, **drawn)


def places(message):
    return np.array([[p.x, p.y, p.z] for p in (one.pose.position for one in message.poses)])


def test_when_paths_grow_move_on_shrink_and_end_expect_each_message_to_be_that_path():
    messages, rng = PathMessages(), np.random.default_rng(0)
    walk_N3 = rng.normal(size=(60, 3)).cumsum(axis=0)
    paths = [walk_N3[:0], walk_N3[:0], walk_N3[:1], walk_N3[:5]]
    paths += [walk_N3[k : k + 5] for k in range(1, 20)]  # what was executed
    paths += [walk_N3[30:34], rng.normal(size=(16, 3)), np.ones((16, 3)), np.ones((16, 3))]
    paths += [walk_N3[:0], walk_N3[7:12]]
    for k, path in enumerate(paths):
        message = messages.message(scene(float(k)), path)
        assert places(message).reshape(-1, 3) == pytest.approx(path)
        assert all(one.header.stamp.sec == k for one in message.poses)
        assert all(one.pose.orientation.w == 1.0 for one in message.poses)


def test_when_old_plans_fade_and_move_up_expect_each_line_to_be_its_plan():
    draw, rng = SceneMarkers((), None), np.random.default_rng(0)
    plans = [rng.normal(size=(4, 3)) for _ in range(6)]
    for k in range(4):
        old = tuple(
            OldPath(group="arm", points_T3=plan, opacity=1.0 - 0.1 * k)
            for plan in plans[k : k + 3]
        )
        lines = [
            one for one in draw.markers(scene(float(k), old_plans=old), {}).markers if one.points
        ]
        assert len(lines) == 3
        for line, plan in zip(lines, plans[k : k + 3], strict=True):
            assert np.array([[p.x, p.y, p.z] for p in line.points]) == pytest.approx(plan)
            assert line.header.stamp.sec == k
            assert line.color.a == pytest.approx(0.7 * (1.0 - 0.1 * k), abs=1e-6)


@pytest.mark.parametrize(("mode", "label"), [("AUTONOMY", "Next"), ("HOLD", "If started")])
def test_when_there_is_a_plan_expect_its_meaning_in_the_banner_and_its_end_in_seconds(mode, label):
    path = PlannedPath(
        group="left_arm",
        points_T3=np.array([[0.3, 0.0, 0.2], [0.3, 0.0, 0.1], [0.3, 0.0, 0.15]]),
        due_in_T=np.array([0.0, 0.5, 1.0]),
        colours_T3=np.ones((3, 3)),
        committed=0,
    )
    event = Event(
        group="left_gripper",
        arm="left_arm",
        text="closes",
        point_3=path.points_T3[1],
        due_in_s=0.5,
    )
    drawn = SceneMarkers((), None).markers(
        scene(
            0.0,
            status=Status(mode=mode, reason="x", instruction="pick up the red cube"),
            plan=(path,),
            events=(event,),
        ),
        {},
    )
    texts = {marker.ns: marker.text for marker in drawn.markers if marker.text}
    assert texts["plan/left_arm"] == "in 1.0 s"
    assert texts["gripper"] == "left gripper closes in 0.5 s"
    assert texts["mode"].splitlines() == [
        f"{mode}: x",
        "Task: pick up the red cube",
        *textwrap.wrap(
            f"{label}: within 1.0 s: left arm 10 cm down, left gripper closes (in 0.5 s), "
            "then 5 cm up",
            BANNER_LETTERS,
        ),
    ]


def resident_mib():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def test_when_links_are_drawn_for_minutes_expect_each_where_it_is_and_no_memory_lost():
    links, poses = Transforms(), {f"link_{k}": pin.SE3.Random().homogeneous for k in range(10)}
    for k in range(4500):
        if k == 500:
            before_mib = resident_mib()
        message = links.message(scene(float(k)), poses)
    assert resident_mib() - before_mib < 1.0
    for stamped in message.transforms:
        turn, place = stamped.transform.rotation, stamped.transform.translation
        found = pin.XYZQUATToSE3(
            np.array([place.x, place.y, place.z, turn.x, turn.y, turn.z, turn.w])
        )
        assert found.homogeneous == pytest.approx(poses[stamped.child_frame_id])
