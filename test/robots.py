"""Descriptions of robots that the shipped ones do not cover alone: as text, to be changed."""

from pathlib import Path

from qwen_vla_core.embodiment import Embodiment, parse_embodiment

WIDOWX = Path(__file__).parents[1] / "embodiments" / "widowx.yaml"
# A camera behind the robot's shoulder that looks ahead and 45 degrees down.
LOOKING_DOWN = "[[0, -0.7071, 0.7071], [-1, 0, 0], [0, -0.7071, -0.7071]]"

_HEAD = """
name: {name}
prompt_words: {{robot_tag: {name}, arms: {arms}, mobile_base: {mobile}}}
action_hz: {action_hz}
command_hz: 50
horizon: 16
jump_limit: 0.9
cameras:
  - {{name: front, topic: /front/image_raw, tag: ego, width: 32, height: 32, max_age_s: 0.5}}
watchdogs: {{{measured}, camera_skew_s: 0.2, frozen_camera_s: 2.0, teleop_s: 0.2,
            observation_s: {observation_s}, policy_s: 2.0}}
groups:
"""

_ARM = """
  - name: {side}_arm
    side: {side}
    joints:
      - {{name: {side}_waist, hardware_name: waist, unit: rad, lower: -3.0, upper: 3.0,
         velocity: 3.0, acceleration: 20.0, source: test}}
      - {{name: {side}_elbow, hardware_name: elbow, unit: rad, lower: -1.7, upper: 1.6,
         velocity: 3.0, acceleration: 20.0, source: test}}
    action: {{convention: joint_position}}
    action_normalization: {{q01: [-3.0, -1.7], q99: [3.0, 1.6], source: test}}
    state_normalization: {{q01: [-3.0, -1.7], q99: [3.0, 1.6], source: test}}
    start: [0.0, 0.0]
    tracking_limit: 0.5
    driver: {{type: interbotix_group, namespace: follower_{side}, group: arm}}
  - name: {side}_gripper
    side: {side}
    joints:
      - {{name: {side}_finger, hardware_name: left_finger, unit: m, lower: 0.02, upper: 0.057,
         velocity: 0.2, acceleration: 4.0, source: test}}
    action: {{convention: gripper}}
    action_normalization: {{q01: [0.0], q99: [1.0], source: test}}
    state_normalization: {{q01: [0.0], q99: [1.0], source: test}}
    start: [0.02]
    tracking_limit: null
    driver: {{type: interbotix_position_gripper, namespace: follower_{side}, motor: gripper,
             preset: aloha_original}}
"""

_ROS2_CONTROL = """
  - name: arm
    joints:
      - {{name: waist, hardware_name: joint_1, unit: rad, lower: -3.0, upper: 3.0,
         velocity: 3.0, acceleration: 20.0, source: test}}
      - {{name: elbow, hardware_name: joint_2, unit: rad, lower: -1.7, upper: 1.6,
         velocity: 3.0, acceleration: 20.0, source: test}}
    action: {{convention: joint_position}}
    action_normalization: {{q01: [-3.0, -1.7], q99: [3.0, 1.6], source: test}}
    state_normalization: {{q01: [-3.0, -1.7], q99: [3.0, 1.6], source: test}}
    start: [0.0, 0.0]
    tracking_limit: 0.5
    driver: {{type: {driver}, controller: arm_controller}}
  - name: gripper
    joints:
      - {{name: finger, unit: m, lower: 0.0, upper: 0.04, velocity: 0.2, acceleration: 4.0,
         source: test}}
    action: {{convention: gripper, closed: 0.0, open: 0.04}}
    action_normalization: {{q01: [0.0], q99: [1.0], source: test}}
    state_normalization: {{q01: [0.0], q99: [1.0], source: test}}
    start: [0.04]
    tracking_limit: null
    driver: {{type: forward_command, controller: gripper_controller}}
"""

_BASE = """
  - name: base
    joints:
      - {{name: base_x, unit: m, lower: -4.0, upper: 4.0,
         velocity: 0.5, acceleration: 1.0, source: test}}
      - {{name: base_y, unit: m, lower: -4.0, upper: 4.0,
         velocity: 0.5, acceleration: 1.0, source: test}}
      - {{name: base_yaw, unit: rad, lower: -4.0, upper: 4.0,
         velocity: 1.0, acceleration: 2.0, source: test}}
    action: {{convention: {convention}}}
    action_normalization: {{q01: {q01}, q99: {q99}, source: test}}
    tracking_limit: null
    driver: {{type: twist, topic: mobile_base/cmd_vel, stamped: {stamped},
             odometry_topic: mobile_base/odom, estop_in_covariance: true}}
"""


def _head(name: str, arms: str, action_hz: int, base: bool = False) -> str:
    silence_s = {"joint_states_s": 0.2} if arms != "none" else {}
    silence_s |= {"odometry_s": 0.2} if base else {}
    return _HEAD.format(
        name=name,
        arms=arms,
        mobile=str(base).lower(),
        action_hz=action_hz,
        measured=", ".join(f"{key}: {value}" for key, value in silence_s.items()),
        observation_s=min(1.0, 16 / action_hz),
    )


def two_arms_text() -> str:
    """Two arms with identical hardware names, and grippers in position mode, like an ALOHA's."""
    return _head("two_arms", "dual", 50) + _ARM.format(side="left") + _ARM.format(side="right")


def one_arm_text() -> str:
    """One arm with a gripper in position mode, observed as rarely as a WidowX."""
    head = _head("one_arm", "single", 5).replace("observation_s: 1.0", "observation_s: 2.0")
    return head + _ARM.format(side="left")


def pwm_arm_text() -> str:
    """One arm whose gripper is in pwm mode, like a WidowX's."""
    text = _head("pwm_arm", "single", 10) + _ARM.format(side="left").replace(
        "action: {convention: gripper}", "action: {convention: gripper, closed: 0.02, open: 0.057}"
    )
    before, after = text.split("driver: {type: interbotix_position_gripper")
    return (
        f"{before}driver: {{type: interbotix_pwm_gripper, namespace: follower_left, "
        f"motor: gripper, gain_per_m: 300.0, pwm_limit: 350.0}}{after.split('}', 1)[1]}"
    )


def ros2_control_text(driver: str = "joint_trajectory_controller") -> str:
    """An arm and a gripper under ros2_control; the arm by that type of driver."""
    return _head("ros2_arm", "single", 10) + _ROS2_CONTROL.format(driver=driver)


def franka_text() -> str:
    """A Franka arm as DROID has it; no driver of ours carries it. Limits: Franka's data sheet."""
    limits = ((2.89, -2.89), (1.76, -1.76), (2.89, -2.89), (-0.07, -3.07), (2.89, -2.89))
    limits += ((3.75, -0.01), (2.89, -2.89))
    joints = "".join(
        f"      - {{name: joint{k}, unit: rad, lower: {low}, upper: {high}, velocity: 2.0, "
        "acceleration: 10.0, source: test}\n"
        for k, (high, low) in enumerate(limits, 1)
    )
    quantiles = (
        f"{{q01: {[low for _, low in limits]}, q99: {[high for high, _ in limits]}, source: test}}"
    )
    head = _head("franka", "single", 15).replace("horizon: 16", "horizon: 15")
    head = head.replace("observation_s: 1.0", "observation_s: 0.9").replace("front", "exterior")
    camera = "  - {name: wrist, topic: /wrist/image_raw, tag: cam_left_wrist, width: 32, "
    head = head.replace("watchdogs", camera + "height: 32, max_age_s: 0.5}\nwatchdogs")
    return f"""{head}
  - name: arm
    joints:
{joints}
    action: {{convention: joint_position}}
    action_normalization: {quantiles}
    state_normalization: {quantiles}
    start: [0.0, -0.6, 0.0, -2.5, 0.0, 1.9, 0.0]
    tracking_limit: 0.5
    driver: {{type: interbotix_group, namespace: franka, group: arm}}
  - name: gripper
    joints:
      - {{name: finger, unit: m, lower: 0.0, upper: 0.04, velocity: 0.2, acceleration: 4.0,
         source: test}}
    action: {{convention: gripper, closed: 0.0, open: 0.04}}
    action_normalization: {{q01: [0.0], q99: [1.0], source: test}}
    state_normalization: {{q01: [0.0], q99: [1.0], source: test}}
    start: [0.04]
    tracking_limit: null
    driver: {{type: interbotix_pwm_gripper, namespace: franka, motor: gripper, gain_per_m: 300.0,
             pwm_limit: 350.0}}
"""


def stranger(folder: Path) -> Path:
    """The file of a robot that no weights were trained for: a WidowX of another name."""
    path = folder / "stranger.yaml"
    path.write_text(WIDOWX.read_text().replace("\nname: widowx\n", "\nname: stranger\n"))
    return path


def base_text(stamped: bool = False) -> str:
    """A base that follows waypoints."""
    base = _BASE.format(
        convention="base_waypoints",
        q01=[-0.2, -0.2, -0.3],
        q99=[0.2, 0.2, 0.3],
        stamped=str(stamped).lower(),
    )
    return _head("cart", "none", 5, base=True) + base


def arm_on_base_text() -> str:
    """One arm with its gripper on a base that drives at velocities."""
    base = _BASE.format(
        convention="base_velocity", q01=[-0.5, -1.0], q99=[0.5, 1.0], stamped="false"
    )
    return _head("arm_on_base", "single", 5, base=True) + base + _ARM.format(side="left")


def widowx_text(
    rotation: str = "euler", camera: str | None = None, matrix: str = LOOKING_DOWN
) -> str:
    """The WidowX, driven by deltas of another kind, along the axes of a camera if one is named."""
    keys = f"convention: ee_delta\n      rotation: {rotation}"
    if camera is not None:
        keys += f"\n      frame: {{camera: {camera}, rotation: {matrix}, source: test}}"
    text = WIDOWX.read_text().replace("convention: ee_delta", keys, 1)
    if rotation == "rot6d":
        text = text.replace("-0.25, -0.25, -0.25]", "0.9, -0.3, -0.3, -0.3, 0.9, -0.3]", 1)
        text = text.replace("0.25, 0.25, 0.25]", "1, 0.3, 0.3, 0.3, 1, 0.3]", 1)
    if rotation != "euler":
        text = text.replace("-0.8, -0.8, -1.57]", f"{', '.join(['-1'] * 6)}]", 1)
        text = text.replace("0.8, 0.8, 1.57]", f"{', '.join(['1'] * 6)}]", 1)
    return text


def robot(text: str) -> Embodiment:
    """The description as an embodiment."""
    return parse_embodiment(text, "robot.yaml")
