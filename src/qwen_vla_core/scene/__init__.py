"""What there is to draw of a robot and of what it is about to do, as plain data.

One scene, three outputs: visualizer_node publishes it for RViz, the page draws it in a browser,
films draw it over a camera's image. None of them decides what is shown, nor in which colour.

    maker = SceneMaker(embodiment)
    maker.on_joints({"waist": 0.1, ...})               # measured, by the embodiment's names
    maker.on_base((x, y, yaw), stamp_s)                 # odometry of a base
    maker.on_command({"waist": 0.1, ...})               # control/command: what was sent
    maker.on_chunk(chunk, now_s, prefix_steps)          # the policy's plan
    scene = maker.scene(now_s, Status(mode="AUTONOMY", ...))
    json.dumps(as_json(scene))
    plan_words(scene)                                   # "within 1.9 s: arm 8 cm down, ..."

Everything is in the frame ``scene.frame`` (``scene_frame``), metres, radians, z up, and times are
ROS time in seconds. ``robot_urdf`` is the same robot in primitive shapes: its root link is that
frame, and its joints have the embodiment's names, those of a base among them; so
``scene.joints`` and ``scene.ghost`` pose it. What has not been received is absent: no joints, no
paths, no ghost. Nothing here raises for what a robot may send: values that are not finite are
dropped.
"""

from .colours import COMMITTED, EXECUTED, LIMIT, MODE_COLOURS, OLD, time_colours
from .description import (
    Event,
    ExecutedPath,
    LimitHit,
    OldPath,
    PlannedPath,
    Scene,
    Status,
    as_json,
)
from .maker import SceneMaker
from .robot_model import RobotModel
from .urdf import arm_urdf, robot_urdf, scene_frame
from .words import plan_words

__all__ = [
    "COMMITTED",
    "EXECUTED",
    "LIMIT",
    "MODE_COLOURS",
    "OLD",
    "Event",
    "ExecutedPath",
    "LimitHit",
    "OldPath",
    "PlannedPath",
    "RobotModel",
    "Scene",
    "SceneMaker",
    "Status",
    "arm_urdf",
    "as_json",
    "plan_words",
    "robot_urdf",
    "scene_frame",
    "time_colours",
]
