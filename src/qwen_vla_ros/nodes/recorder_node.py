"""recorder_node writes what a robot measures, its commands and its instructions to MCAP files.

Its own process. It receives every publisher of every topic, as bytes that nobody decodes. When a
recording begins and ends is ``Session``'s; a thread of its own writes. This file receives, answers
and reports.
"""

import shutil
import time
from datetime import datetime, timezone
from pathlib import Path

from rclpy.lifecycle import TransitionCallbackReturn
from std_srvs.srv import Trigger

from qwen_vla_core.embodiment import find_embodiment
from qwen_vla_core.embodiment.streams import measured_topics
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.freed_memory import keep_freed_memory
from qwen_vla_core.resources import embodiments_directory, package_version
from qwen_vla_data.recording import Start, recorded_topics, recover, unfinished_in
from qwen_vla_data.recording.background import QUEUE_BYTES, BackgroundWriter
from qwen_vla_data.recording.checkpoint_hash import checkpoint_sha256
from qwen_vla_data.recording.folder_lock import FolderLock
from qwen_vla_data.recording.session import Phase, Request, Session

from .. import diagnostics
from ..diagnostics import DiagnosticsPublisher
from ..raw_topics import FETCH_S, RawTopic
from ..stream_meter import StreamMeter
from .lifecycle import EmbodimentNode
from .parameters import declare_number, read_only
from .process import run

CLOSE_S = 2.0
"""A node ends within 2.5 s; a file that a slow disk has not finished by then is recovered."""


class RecorderNode(EmbodimentNode):
    """Records one robot."""

    def __init__(self) -> None:
        super().__init__("recorder_node")
        for name, default, description in (
            ("folder", "", "where recordings go; empty: recordings/<namespace>/<embodiment>"),
            ("checkpoint", "", "the policy that runs, for the recordings to name"),
            ("instruction", "", "the task in words, until policy/instruction says it"),
            ("follow_mode", False, "each time that the robot is moved is an episode"),
            ("raw_images", False, "keep raw images as they are, 28 MB/s a camera, not as JPEG"),
        ):
            self.declare_parameter(name, default, read_only(description))
        declare_number(
            self,
            "preroll_s",
            2.0,
            "with follow_mode: how long before the robot is moved an episode begins",
            (0.0, 10.0),
            read_only=True,
        )
        declare_number(
            self, "min_free_gb", 2.0, "with less free disk nothing is recorded", (0.0, 1e6)
        )

    def configure(self) -> None:
        """Take the folder, recover what an earlier recorder left, and subscribe."""
        robot = self.load_embodiment()
        namespace = self.get_namespace().strip("/")
        folder = self.text("folder") or Path("recordings") / namespace / robot.name
        self._folder = Path(folder).absolute()
        lock = FolderLock(self._folder)
        follow_mode = self.get_parameter("follow_mode").value
        self._writer = BackgroundWriter(
            preroll_s=float(self.get_parameter("preroll_s").value) if follow_mode else 0.0,
            raw_images=self.get_parameter("raw_images").value,
            on_end=lock.release,  # not before: a slow disk may still be writing after CLOSE_S
        )
        self.at_cleanup(lambda: self._writer.close(CLOSE_S))
        self._recover()
        path = find_embodiment(self.text("embodiment"), embodiments_directory())
        start = Start(
            embodiment=robot.name,
            embodiment_yaml=path.read_text(encoding="utf-8"),
            simulated=self.get_parameter("simulated").value,
            namespace=namespace,
            checkpoint=self.text("checkpoint"),
            checkpoint_sha256=checkpoint_sha256(self.text("checkpoint")),
            package_version=package_version(),
            instruction=self.text("instruction"),
        )
        self._session = Session(
            self._writer, start, new_path=self._new_path, follow_mode=follow_mode
        )
        self._diagnostics = DiagnosticsPublisher(self, robot.name, self.embodiment_sha256)
        topics = recorded_topics(robot)
        self._meter = StreamMeter(time.monotonic(), [topic.name for topic in topics])
        self._topics = [RawTopic(self, topic, self._session.lost) for topic in topics]
        cameras = [camera.topic for camera in robot.cameras if not camera.optional]
        self._needed = (*cameras, *measured_topics(robot))
        for request in Request:
            self.create_service(Trigger, f"record/{request.value}", self._answer(request))
        self.get_logger().info(f"recordings of {robot.name} go to {self._folder}")

    def on_activate(self, state: object) -> TransitionCallbackReturn:
        self._tick()
        self.every(FETCH_S, self._fetch)
        self.every(diagnostics.PERIOD_S, self._report)
        return super().on_activate(state)

    def on_deactivate(self, state: object) -> TransitionCallbackReturn:
        """Finish what is being recorded."""
        self._fetch()
        self._session.close(self._now_ns(), "recorder_node was stopped")
        self._writer.drain(CLOSE_S)
        return super().on_deactivate(state)

    def _recover(self) -> None:
        """Make whole recordings of what a recorder left that was killed."""
        for partial in unfinished_in(self._folder):
            try:
                self.get_logger().warning(f"recovered {recover(partial)}, which was not finished")
            except QwenVlaError as error:
                self.get_logger().error(str(error))

    def _new_path(self) -> Path:
        """Named by the time of day, UTC, so that names sort."""
        now = datetime.now(timezone.utc)
        return self._folder / f"{now:%Y%m%d-%H%M%S}-{now.microsecond // 1000:03d}.mcap"

    def _now_ns(self) -> int:
        return self.get_clock().now().nanoseconds

    # --- receive, answer

    def _fetch(self) -> None:
        """Hand on what has come, in the order in which it came."""
        samples = [sample for topic in self._topics for sample in topic.fetch()]
        now_s = time.monotonic()
        for sample in samples:
            self._meter.count(sample.topic.name, now_s)
        for sample in sorted(samples, key=lambda sample: sample.received_ns):
            self._session.take(sample)

    def _answer(self, request: Request):
        def answer(_, response: Trigger.Response) -> Trigger.Response:
            if not self.active:
                response.message = "recorder_node is not active"
                return response
            self._fetch()  # what came before the request belongs before it
            self._tick()
            answer = self._session.request(request, self._now_ns())
            response.success, response.message = answer.granted, answer.message
            if request is Request.START and answer.granted and (silent := self._silent()):
                response.message += f"; {silent}"
            self.get_logger().info(f"record/{request.value}: {response.message}")
            return response

        return answer

    # --- report

    def _tick(self) -> None:
        self._session.min_free_bytes = float(self.get_parameter("min_free_gb").value) * 1e9
        try:
            free_bytes = shutil.disk_usage(self._folder).free
        except OSError:  # unmounted, unplugged
            free_bytes = 0
        self._session.tick(self._now_ns(), free_bytes)

    def _silent(self) -> str:
        """What a recording needs and nobody publishes, in words; empty if there is nothing."""
        silent = [topic for topic in self._needed if not self.count_publishers(topic)]
        return f"nobody publishes {', '.join(silent)}" if silent else ""

    def _report(self) -> None:
        self._tick()
        for topic in self._topics:
            topic.match_publishers()
        session, now_ns = self._session, self._now_ns()
        recording = session.phase is Phase.RECORDING
        silent = self._silent() if recording else ""
        dropped = ", ".join(f"{count} of {topic}" for topic, count in session.dropped.items())
        level, warnings = diagnostics.OK, [silent, dropped and f"messages dropped: {dropped}"]
        if session.problem:
            level = diagnostics.ERROR
        elif any(warnings):
            level = diagnostics.WARN
        doing = f"{session.phase.value} {session.path.name}" if recording else session.phase.value
        self._diagnostics.publish(
            level,
            "; ".join(filter(None, [session.problem, doing, *warnings])),
            {
                "phase": session.phase.name,
                "file": session.path or "",
                "duration_s": session.duration_s(now_ns),
                "size_mb": self._writer.size_bytes / 1e6,
                "waiting_mb": self._writer.waiting_bytes / 1e6,
                "free_gb": session.free_bytes / 1e9,
                "instruction": session.instruction,
                **self._meter.values(time.monotonic()),
                **{f"dropped_{topic}": count for topic, count in session.dropped.items()},
            },
        )


def main() -> None:
    """Entry point of the recorder_node executable."""
    # Fetching the memory of each image anew took up to 6 points of a core, in every other start.
    keep_freed_memory(QUEUE_BYTES)
    run(RecorderNode)


if __name__ == "__main__":
    main()
