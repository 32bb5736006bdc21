"""`qwen-vla check --live`: whether the robot that runs is the one that is described."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from sensor_msgs.msg import JointState

from closed_loop import PATH, WIDOWX, ClosedLoop
from qwen_vla_ros.live_check import Seen, SeenStream, check_live, checkpoint_in
from qwen_vla_ros.status_board import ERROR, OK, NodeStatus
from spinning import SpinningThread

TIMES_S = tuple(np.arange(0.0, 2.0, 0.05))
JOINTS = "wx250s/joint_states"


BEHIND_S = (0.03,) * len(TIMES_S)


def image(seed=0, height=96, width=96):
    return np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8)


def well():
    """A WidowX in its start pose, and nothing to complain about."""
    streams = {
        name: SeenStream(
            topic=f"/{name}", received_s=TIMES_S, behind_s=BEHIND_S, publishers=("/driver",)
        )
        for name in (*(camera.name for camera in WIDOWX.cameras), JOINTS)
    }
    start = {
        joint.driver_name: value
        for joint, value in zip(WIDOWX.joints, WIDOWX.start_D, strict=True)
    }
    node = NodeStatus(
        name="/control_node", robot="widowx", level=OK, message="HOLD", values={}, received_s=0.0
    )
    return Seen(
        streams=streams,
        images={camera.name: [image(1), image(2)] for camera in WIDOWX.cameras},
        positions={JOINTS: start},
        statuses=(node,),
    )


def faults(seen):
    found = check_live(WIDOWX, seen, "my.yaml")
    return [f"{one.about}: {one.text}" for one in found if one.level != "ok"]


def with_stream(name, **changes):
    seen = well()
    return replace(seen, streams={**seen.streams, name: replace(seen.streams[name], **changes)})


def test_when_all_is_as_described_expect_nothing_to_change():
    assert faults(well()) == []


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (
            with_stream("wrist", received_s=(), publishers=(), alike=("/camera/image_raw",)),
            "camera wrist: nobody publishes /wrist; published are /camera/image_raw: start its "
            "driver, or correct cameras.wrist.topic in my.yaml",
        ),
        (
            with_stream(JOINTS, received_s=(0.0, 0.05, 0.8)),
            f"{JOINTS}: 2.5 Hz on /{JOINTS}, with a gap of 0.75 s; joint_states_s in my.yaml "
            "allows",
        ),
        (
            with_stream(JOINTS, publishers=("/driver", "/other")),
            "from /driver and /other: end all but one",
        ),
        (
            with_stream("wrist", behind_s=(-0.4,) * 40),
            "stamped 0.400 s after it is received (cameras.wrist.max_age_s",
        ),
        (
            with_stream(JOINTS, behind_s=(2.0,) * 40),
            "stamped 2.000 s before it is received (joint_states_s in my.yaml: 0.1 s): set the",
        ),
        (
            with_stream("over_shoulder", behind_s=(0.45,) * 40),
            "the newest images are 0.420 s apart: over_shoulder lags behind wrist; camera_skew_s",
        ),
        (with_stream("wrist", problem="/wrist is published as X"), "/wrist is published as X"),
    ],
)
def test_when_a_stream_is_wrong_expect_what_to_change_in_which_file(seen, expected):
    if "is published as" in expected:
        seen = replace(seen, images={})
    assert [fault for fault in faults(seen) if expected in fault], faults(seen)


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        ([np.zeros((96, 96, 3), np.uint8)] * 2, "camera wrist: its images are black"),
        ([np.full((96, 96, 3), 90, np.uint8)] * 2, "of a single colour"),
        (
            [image(1, 60, 80), image(2, 60, 80)],
            "its images are 80 x 60, smaller than the 96 x 96 that the policy is shown (my.yaml)",
        ),
    ],
)
def test_when_a_camera_shows_nothing_expect_it_named(images, expected):
    seen = well()
    (fault,) = faults(replace(seen, images={**seen.images, "wrist": images}))
    assert expected in fault


def test_when_a_real_camera_repeats_an_image_expect_it_named():
    images = {**well().images, "wrist": [image(1)] * 3}
    (fault,) = faults(replace(well(), images=images))
    assert fault.startswith("camera wrist: every image is the same to the last bit")
    assert faults(replace(with_stream("wrist", publishers=("/sim_node",)), images=images)) == []


@pytest.mark.parametrize(
    ("driver_name", "position", "expected"),
    [
        (
            "waist",
            57.3,
            "measured 57.3, outside -3.142 to 3.142 of my.yaml: is it in degrees?",
        ),
        ("elbow", -2.5, "has it another sign or offset?"),
        ("waist", None, f"joint waist: {JOINTS} has no waist; it has "),
    ],
)
def test_when_a_joint_is_not_as_described_expect_its_name_and_why(driver_name, position, expected):
    seen = well()
    positions = dict(seen.positions[JOINTS])
    if position is None:
        del positions[driver_name]
    else:
        positions[driver_name] = position
    found = faults(replace(seen, positions={JOINTS: positions}))
    assert [fault for fault in found if expected in fault], found


def test_when_the_arm_is_where_it_was_never_trained_expect_the_channels_and_the_way_back():
    seen = well()
    folded = dict(seen.positions[JOINTS])
    folded.update(waist=2.0, shoulder=-1.6, elbow=1.4, wrist_angle=1.0)
    (fault,) = faults(replace(seen, positions={JOINTS: folded}))
    assert "of the state's channels are within q01 to q99" in fault
    assert "Call control/go_to_start" in fault


def test_when_killed_processes_left_ports_in_shared_memory_expect_their_number_and_the_remedy():
    (fault,) = faults(replace(well(), ports_left=4))
    assert fault.startswith("shared memory: 4 ports") and "fastdds shm clean" in fault


def test_when_a_driver_asks_for_another_quality_of_service_expect_who_receives_nothing():
    said = "/cmd: /driver receives nothing from /control_node: x"
    (fault,) = faults(replace(well(), not_received=(said,)))
    assert fault.startswith(f"quality of service: {said}; set both to the same")


def test_when_a_node_reports_an_error_or_control_does_not_run_expect_it_said():
    seen = well()
    bad = replace(seen.statuses[0], level=ERROR, message="no joint states")
    assert faults(replace(seen, statuses=(bad,))) == ["/control_node: no joint states"]
    (fault,) = faults(replace(seen, statuses=()))
    assert fault.startswith("control_node: it does not run")


def test_when_the_robots_own_limits_are_narrower_expect_them_and_where_to_write_them():
    seen = well()
    values = {"limits_of_robot": "waist: -1..1 rad instead of -3..3 rad"}
    status = replace(seen.statuses[0], values=values)
    (fault,) = faults(replace(seen, statuses=(status,)))
    assert "waist: -1..1 rad instead of -3..3 rad; write them into my.yaml" in fault


def test_when_a_driver_stamps_nothing_expect_no_fault_and_that_the_receipt_counts():
    (found, *_) = check_live(
        WIDOWX, with_stream("over_shoulder", behind_s=(1.8e9,) * 40), "x.yaml"
    )
    assert found.level == "ok" and "the time of receipt counts" in found.text


@pytest.mark.parametrize(
    ("p99_ms", "level", "expected"),
    [
        ("95.1", "ok", "an inference takes 0.095 s (p99), a chunk lasts 3.2 s"),
        ("1900", "warning", "device:=cuda"),
        ("4000", "error", "device:=cuda"),
    ],
)
def test_when_inference_is_slow_beside_a_chunk_expect_it_said(p99_ms, level, expected, tmp_path):
    values = {"inference_p99_ms": p99_ms, "checkpoint": str(tmp_path)}
    policy = replace(well().statuses[0], name="/policy_node", values=values)
    seen = replace(well(), statuses=(*well().statuses, policy))
    (found,) = [one for one in check_live(WIDOWX, seen, "my.yaml") if one.about == "latency"]
    assert found.level == level and expected in found.text
    assert checkpoint_in(seen) is None
    (tmp_path / "embodiments.json").touch()
    assert checkpoint_in(seen) == tmp_path


def warned_of(ended):
    """What the warnings are about, but for what killed processes left on this computer."""
    lines = [line.split("  ") for line in ended.stdout.splitlines()]
    about = {words[1].strip() for words in lines if words[0].startswith("WARNING")}
    return about - {"shared memory"}


def check(*arguments):
    command = [sys.executable, "-m", "qwen_vla_cli.main", "check", *arguments, "--live"]
    return subprocess.run(command, capture_output=True, text=True, timeout=90)


def test_when_a_simulated_arm_runs_expect_its_topics_found_and_a_second_driver_named(
    ros, tmp_path
):
    with ClosedLoop(tmp_path, names=("sim_node",)) as system:
        system.expect(lambda: len(system.operator.images) == 2, 60.0, "both cameras show images")
        patient = (
            tmp_path / "patient.yaml"
        )  # other tests beside this one keep the simulator waiting
        text = PATH.read_text().replace("max_age_s: 0.5", "max_age_s: 5.0")
        patient.write_text(text.replace("joint_states_s: 0.1 ", "joint_states_s: 5.0 "))
        ended = check(str(patient), "--seconds", "3")
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert f"Hz on /{JOINTS}" in ended.stdout and "camera wrist" in ended.stdout
        assert "0 errors, " in ended.stdout
        assert warned_of(ended) == {"control_node"}
        assert ended.stdout.count("as in the training of generalist") == 2, ended.stdout

        rival = ros.create_node("second_driver")
        publisher = rival.create_publisher(JointState, JOINTS, 10)
        rival.create_timer(0.02, lambda: publisher.publish(JointState(name=["other"])))
        spinning = SpinningThread(rival)
        ended = check("widowx", "--seconds", "3")
        spinning.end()
        rival.destroy_node()
        assert ended.returncode == 1
        assert "/second_driver and /sim_node: end all but one" in ended.stdout
