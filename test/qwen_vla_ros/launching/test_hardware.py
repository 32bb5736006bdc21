"""`bringup_hardware:=true`: what is started beside our nodes, and what is refused before."""

from pathlib import Path

import pytest

from qwen_vla_core.embodiment import load_embodiment, parse_embodiment
from qwen_vla_core.embodiment.streams import joint_streams
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.resources import embodiments_directory, share_directory
from qwen_vla_ros.launching.arguments import LaunchArgumentError
from qwen_vla_ros.launching.hardware import describe_hardware
from robots import one_arm_text, robot

PATHS = sorted(embodiments_directory().glob("*.yaml"))
ROBOTS = {path.stem: load_embodiment(path) for path in PATHS}


@pytest.fixture
def installed(tmp_path):
    """Share folders of all packages that any robot names, with their launch files; no devices."""
    for one in (one for known in ROBOTS.values() for one in known.hardware.start):
        folder = tmp_path / one.package / "launch"
        folder.mkdir(parents=True, exist_ok=True)
        if one.launch:
            (folder / one.launch).touch()
    return lambda package: tmp_path / package


def plugged(robot, folder):
    """The robot with its devices in a folder."""
    (folder / "video").touch()
    start = [
        one.model_copy(
            update={
                "parameters": {
                    key: str(folder / "video") if str(value).startswith("/dev/") else value
                    for key, value in one.parameters.items()
                }
            }
        )
        for one in robot.hardware.start
    ]
    hardware = robot.hardware.model_copy(update={"start": tuple(start)})
    return robot.model_copy(update={"hardware": hardware})


def described(name, tmp_path, installed, teleop=""):
    found = plugged(ROBOTS[name], tmp_path)
    return describe_hardware(found, Path(f"{name}.yaml"), teleop, False, installed)


@pytest.mark.parametrize("name", ROBOTS)
def test_when_a_robot_is_brought_up_expect_a_driver_for_each_namespace_and_our_modes(
    name, tmp_path, installed
):
    found = described(name, tmp_path, installed)
    named = {value for one in found for value in one.arguments.values()}
    if name == "aloha":  # Interbotix's own launch file names its followers itself
        named |= {"follower_left", "follower_right"}
    for stream in joint_streams(ROBOTS[name]):
        assert stream.topic.split("/")[0] in named, stream
    modes = [v for one in found for k, v in one.arguments.items() if "modes" in k or "mode_" in k]
    assert all(Path(path).is_relative_to(share_directory()) for path in modes)
    assert all(Path(path).is_file() for path in modes)
    assert bool(modes) == bool(joint_streams(ROBOTS[name]))
    base = ROBOTS[name].base
    assert base is None or "mobile_base" in [one.namespace for one in found]


def test_when_an_alohas_leaders_are_not_asked_for_expect_them_off_and_else_on(tmp_path, installed):
    (alone,) = described("aloha", tmp_path, installed)
    assert alone.launch_file.name == "aloha_bringup.launch.py"
    assert alone.arguments["launch_leaders"] == "false"
    _, left, right = described("aloha", tmp_path, installed, "leader")
    names = [one.arguments["robot_name"] for one in (left, right)]
    assert names == ["leader_left", "leader_right"]
    assert left.arguments["mode_configs"] == str(tmp_path / "aloha/config/leader_modes_left.yaml")


def test_when_a_gamepad_moves_the_robot_expect_its_node_and_only_then(tmp_path, installed):
    for name in ROBOTS:
        with_it = described(name, tmp_path, installed, "joy")
        assert [one.executable for one in with_it if one.package == "joy"] == [
            "game_controller_node"
        ]
        assert all(one.package != "joy" for one in described(name, tmp_path, installed))


@pytest.mark.parametrize("name", ROBOTS)
def test_when_packages_are_missing_expect_each_with_the_command_that_brings_it(name):
    with pytest.raises(LaunchArgumentError) as refusal:
        describe_hardware(ROBOTS[name], Path("x.yaml"), "joy", False, lambda package: None)
    for package, command in ROBOTS[name].hardware.packages.items():
        assert f"  {package}: {command}\n" in str(refusal.value)
        assert command.startswith(("sudo apt install ros-$ROS_DISTRO-", "git clone", "for r in"))


def test_when_aloha_is_there_but_what_it_uses_is_not_expect_that_named(installed):
    def share_of(package):
        return None if package == "realsense2_camera" else installed(package)

    with pytest.raises(LaunchArgumentError, match="realsense2_camera: sudo apt") as refusal:
        describe_hardware(ROBOTS["aloha"], Path("aloha.yaml"), "", False, share_of)
    assert "git clone" not in str(refusal.value) and "joy" not in str(refusal.value)


def test_when_a_camera_is_not_plugged_in_expect_its_key_and_the_file(tmp_path, installed):
    start = tuple(
        one.model_copy(update={"parameters": {"video_device": "/dev/nosuch"}})
        if one.namespace == "wrist"
        else one
        for one in plugged(ROBOTS["widowx"], tmp_path).hardware.start
    )
    hardware = ROBOTS["widowx"].hardware.model_copy(update={"start": start})
    unplugged = ROBOTS["widowx"].model_copy(update={"hardware": hardware})
    with pytest.raises(
        LaunchArgumentError,
        match=r"video_device of usb_cam's usb_cam_node_exe in wrist is /dev/nosuch, which does "
        r"not exist.*correct hardware.start in my.yaml",
    ):
        describe_hardware(unplugged, Path("my.yaml"), "", False, installed)


def test_when_a_package_has_no_such_launch_file_expect_what_to_correct(tmp_path, installed):
    (tmp_path / "interbotix_xsarm_control/launch/xsarm_control.launch.py").unlink()
    with pytest.raises(LaunchArgumentError, match="xsarm_control.launch.py is missing: .* x.yaml"):
        describe_hardware(
            plugged(ROBOTS["widowx"], tmp_path), Path("x.yaml"), "", False, installed
        )


def test_when_the_robot_is_simulated_or_says_nothing_expect_refusal_in_words(installed):
    with pytest.raises(LaunchArgumentError, match="use_sim:=true stands in for them"):
        describe_hardware(ROBOTS["widowx"], Path("x.yaml"), "", True, installed)
    with pytest.raises(LaunchArgumentError, match="x.yaml has no section 'hardware'"):
        describe_hardware(robot(one_arm_text()), Path("x.yaml"), "", False, installed)


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("{package: driver}", "launch: or executable says what is started"),
        ("{package: driver, launch: a.launch.py, executable: b}", "write one of them"),
        ("{package: driver, launch: a.launch.py, namespace: x}", "is of a node"),
        ("{package: driver, executable: b, arguments: {x: 1}}", "is of a launch file"),
        ("{package: other, executable: b}", "other is not in packages"),
        ("{package: driver, executable: b, needs: [other]}", "other is not in packages"),
    ],
)
def test_when_the_section_makes_no_sense_expect_its_line_and_why(start, expected):
    text = (
        one_arm_text() + f"hardware:\n  packages: {{driver: git clone it}}\n  start: [{start}]\n"
    )
    with pytest.raises(QwenVlaError, match=expected) as refusal:
        parse_embodiment(text, "robot.yaml")
    assert str(refusal.value).startswith(f"robot.yaml:{len(text.splitlines())}")
