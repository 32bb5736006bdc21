"""visualizer_node: what the robot sees and is about to do, for RViz and every other viewer.

Its own process, so that drawing never costs the control loop a period. All that is drawn is the
scene's; this file fetches, converts and publishes. Of a simulated robot it also publishes the
description and the transforms, which a real one's own packages publish.
"""

import numpy as np
from nav_msgs.msg import Path
from rclpy.lifecycle import TransitionCallbackReturn
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import String
from tf2_msgs.msg import TFMessage
from visualization_msgs.msg import MarkerArray

from qwen_vla_core.scene import Scene, arm_urdf, robot_urdf
from qwen_vla_core.scene.drawing import annotated
from qwen_vla_core.scene.shapes import shapes_of
from qwen_vla_core.scene.urdf import arms

from .. import diagnostics
from .. import view_topics as topics
from ..diagnostics import DiagnosticsPublisher
from ..qos import IMAGES, LATCHED, RELIABLE
from ..robot_inputs import RobotInputs
from ..scene_messages import (
    PathMessages,
    SceneMarkers,
    Transforms,
    ghost_message,
    image_message,
)
from .lifecycle import EmbodimentNode
from .parameters import declare_number
from .process import run


class VisualizerNode(EmbodimentNode):
    """Draws one robot."""

    def __init__(self) -> None:
        super().__init__("visualizer_node")
        declare_number(
            self, "rate_hz", 10.0, "how often it draws, Hz", (1.0, 30.0), read_only=True
        )

    def configure(self) -> None:
        """Subscribe and announce; nothing is drawn yet."""
        self._robot = robot = self.load_embodiment()
        self._simulated = self.get_parameter("simulated").value
        self._inputs, self._refused = RobotInputs(self, robot, refuse=self._refuse), ""
        self._diagnostics = DiagnosticsPublisher(self, robot.name, self.embodiment_sha256)
        self._draw = SceneMarkers(shapes_of(robot_urdf(robot)), robot.base and robot.base.name)
        self._markers = self.create_publisher(MarkerArray, topics.MARKERS, RELIABLE)
        self._ghost = self.create_publisher(JointState, topics.GHOST, RELIABLE)
        self._plans, self._executed = (
            {
                group: (self.create_publisher(Path, name(group), RELIABLE), PathMessages())
                for group in topics.drawn_groups(robot)
            }
            for name in (topics.plan_topic, topics.executed_topic)
        )
        self._images = {
            camera.name: self.create_publisher(Image, topics.image_topic(camera.name), IMAGES)
            for camera in robot.cameras
        }
        if self._simulated:
            self._links = Transforms()
            self._transforms = self.create_publisher(TFMessage, topics.TRANSFORMS, RELIABLE)
            self._descriptions = [
                (self.create_publisher(String, topics.description_topic(arm), LATCHED), arm)
                for arm in arms(robot)
            ]

    def on_activate(self, state: object) -> TransitionCallbackReturn:
        """Begin to draw."""
        if self._simulated:
            for publisher, arm in self._descriptions:
                publisher.publish(String(data=arm_urdf(self._robot, arm)))
        self._drawn = 0
        self.every(1.0 / float(self.get_parameter("rate_hz").value), self._publish)
        self.every(diagnostics.PERIOD_S, self._report)
        return super().on_activate(state)

    def _publish(self) -> None:
        """Draw what somebody looks at."""
        now_s = self.now_s()
        self._inputs.read(now_s)
        scene = self._inputs.scene(now_s)
        self._drawn += 1
        if _seen(self._markers):
            poses = self._inputs.maker.link_poses(scene.ghost) if scene.ghost else {}
            self._markers.publish(self._draw.markers(scene, poses))
        if self._simulated and scene.joints:
            poses = self._inputs.maker.link_poses(scene.joints)
            self._transforms.publish(self._links.message(scene, poses))
        if _seen(self._ghost):
            self._ghost.publish(ghost_message(scene))
        self._publish_paths(scene)
        self._publish_images(scene)

    def _publish_paths(self, scene: Scene) -> None:
        for paths, published in ((scene.plan, self._plans), (scene.executed, self._executed)):
            points = {path.group: path.points_T3 for path in paths}
            for group, (publisher, messages) in published.items():
                if _seen(publisher):  # without a plan an empty path, which takes it off the screen
                    path = points.get(group, np.empty((0, 3)))
                    publisher.publish(messages.message(scene, path))

    def _publish_images(self, scene: Scene) -> None:
        for camera, publisher in self._images.items():
            if _seen(publisher) and (image := self._inputs.image(camera)) is not None:
                image = annotated(image, scene, camera)
                publisher.publish(image_message(image, scene, camera))

    def _report(self) -> None:
        rate_hz, self._drawn = self._drawn / diagnostics.PERIOD_S, 0
        level = diagnostics.WARN if self._refused else diagnostics.OK
        message = f"not shown: {self._refused}" if self._refused else "drawing"
        self._refused = ""
        self._diagnostics.publish(
            level, message, {"rate_hz": rate_hz, **self._inputs.values(self.now_s())}
        )

    def _refuse(self, why: str) -> None:
        self._refused = why


def _seen(publisher: object) -> bool:
    """Whether anybody subscribes."""
    return publisher.get_subscription_count() > 0


def main() -> None:
    """Entry point of the visualizer_node executable."""
    run(VisualizerNode)


if __name__ == "__main__":
    main()
