"""What recorder_node takes of a processor core, and what it loses.

ALOHA's drivers are played over DDS: three cameras of 640 x 480 at 30 Hz, two arms at 100 Hz, and
the commands at 50 Hz. recorder_node is a process of its own; what the kernel counts as its time is
measured while it records.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_data.recording import open_recording
from qwen_vla_ros.bringup import describe_recorder
from qwen_vla_ros.played_drivers import HEIGHT, WIDTH, Person, played_drivers
from qwen_vla_ros.processes import NodeProcesses

from ..simulated_robot import isolated_environment
from ..tables import Table

BOUND = 0.15
"""Largest load, as a share of a core."""

FINISH_TIMEOUT_S = 30.0
SETTLE_S = 3.0
"""Until what was discovered is received."""


def measure_record(
    path: Path, kind: str, duration_s: float, on_second: Callable[[int], None]
) -> dict:
    """Figures of one recording.

    Args:
        path: embodiment file; its cameras' topics carry raw images.
        kind: ``raw``: as they are, to become JPEG in the recorder; ``jpeg``: as a camera's driver
            compresses them.
        on_second: called with the seconds that are recorded.
    Raises:
        QwenVlaError: the recorder does not start or does not record.
    """
    os.environ.update(isolated_environment())
    with TemporaryDirectory() as folder:
        robot_file = Path(folder) / path.name
        robot_file.write_text(_with_topics(path, kind))
        robot, recordings = load_embodiment(robot_file), Path(folder) / "recordings"
        recorder = describe_recorder(embodiment=str(robot_file), folder=str(recordings))
        nodes = NodeProcesses([recorder], {}, Path(folder))
        domain = int(os.environ["ROS_DOMAIN_ID"])
        with nodes as processes, played_drivers(robot, kind, domain) as person:
            pid = processes.pid("recorder_node")
            return {"kind": kind, **_measure(person, pid, duration_s, on_second)}


def _with_topics(path: Path, kind: str) -> str:
    text = path.read_text()
    if kind == "jpeg":
        for camera in load_embodiment(path).cameras:
            text = text.replace(f"topic: {camera.topic}\n", f"topic: {camera.topic}/compressed\n")
    return text


def _measure(
    person: Person, pid: int, duration_s: float, on_second: Callable[[int], None]
) -> dict:
    person.wait(lambda: False, SETTLE_S)
    person.call("record/start")
    began_s, used_s = time.monotonic(), _cpu_s(pid)
    for second in range(round(duration_s)):
        time.sleep(max(began_s + second + 1 - time.monotonic(), 0.0))
        on_second(second + 1)
    elapsed_s, used_s = time.monotonic() - began_s, _cpu_s(pid) - used_s
    asked_s = time.monotonic()
    answer = person.call("record/success")
    answer_ms = (time.monotonic() - asked_s) * 1e3
    path = Path(answer.partition(": ")[0])
    person.wait(path.exists, FINISH_TIMEOUT_S)
    recording = open_recording(path)
    return {
        "duration_s": elapsed_s,
        "core_share": used_s / elapsed_s,
        "recorded_hz": {topic: n / elapsed_s for topic, n in recording.counts.items()},
        "dropped": dict(recording.end.dropped),
        "messages": sum(recording.counts.values()),
        "mb_per_s": path.stat().st_size / 1e6 / recording.duration_s,
        "answer_ms": answer_ms,
    }


def _cpu_s(pid: int) -> float:
    """User and system time of a process, s (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def tables(results: list[dict]) -> tuple[Table]:
    """What a person reads."""
    return (
        Table(
            title=f"recorder_node, three cameras of {WIDTH} x {HEIGHT}, two arms, commands",
            columns=("images", "of a core", "bound", "dropped", "MB/s on disk", "answer, ms"),
            rows=[
                (
                    result["kind"],
                    f"{result['core_share']:.1%}",
                    f"{BOUND:.0%}",
                    f"{sum(result['dropped'].values())} of {result['messages']}",
                    f"{result['mb_per_s']:.1f}",
                    f"{result['answer_ms']:.0f}",
                )
                for result in results
            ],
        ),
    )
