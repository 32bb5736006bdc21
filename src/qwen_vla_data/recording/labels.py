"""What a recording says of itself: metadata at its start and at its end."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from qwen_vla_core.errors import RecordingError

FORMAT = "1"
START = "qwen_vla_start"
END = "qwen_vla_end"
EMBODIMENT_FILE = "embodiment.yaml"
"""The attachment that is the robot's description, word for word."""


class Outcome(Enum):
    """How an episode ended, by a person's judgement."""

    SUCCESS = "success"
    FAILURE = "failure"
    UNKNOWN = "unknown"  # nobody said


@dataclass(frozen=True, kw_only=True)
class Start:
    """What is known when a recording begins.

    Attributes:
        embodiment: name of the robot.
        embodiment_yaml: its description, the text of the file.
        simulated: whether a simulator stood in for the robot.
        namespace: ROS namespace of its nodes, "" for none.
        checkpoint: the policy, as it was named at launch; "" where none runs.
        checkpoint_sha256: of its weights; "" where they are not on this machine.
        package_version: of qwen_vla_ros.
        instruction: the task in words, "" where nobody had said it.
    """

    embodiment: str
    embodiment_yaml: str
    simulated: bool = False
    namespace: str = ""
    checkpoint: str = ""
    checkpoint_sha256: str = ""
    package_version: str
    instruction: str = ""

    def metadata(self) -> dict[str, str]:
        """The record ``START``; the description is an attachment."""
        return {
            "format": FORMAT,
            "embodiment": self.embodiment,
            "simulated": json.dumps(self.simulated),
            "namespace": self.namespace,
            "checkpoint": self.checkpoint,
            "checkpoint_sha256": self.checkpoint_sha256,
            "package_version": self.package_version,
            "instruction": self.instruction,
        }

    @classmethod
    def from_metadata(cls, record: Mapping[str, str], embodiment_yaml: str) -> "Start":
        """Read the record.

        Raises:
            RecordingError: it is of another format.
        """
        if record.get("format") != FORMAT:
            raise RecordingError(
                f"recording format {record.get('format')}; this version reads format {FORMAT}"
            )
        texts = {key: value for key, value in record.items() if key not in ("format", "simulated")}
        try:
            return cls(
                embodiment_yaml=embodiment_yaml,
                simulated=json.loads(record["simulated"]) is True,
                **texts,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise RecordingError(f"its metadata {START} is not readable ({error})") from error


@dataclass(frozen=True, kw_only=True)
class End:
    """What is known when a recording ends.

    Attributes:
        outcome: how the episode ended.
        reason: what ended the recording, in words.
        instruction: the last one.
        dropped: topic -> messages that were published and did not reach the file.
    """

    outcome: Outcome = Outcome.UNKNOWN
    reason: str = ""
    instruction: str = ""
    dropped: Mapping[str, int] = field(default_factory=dict)

    def metadata(self) -> dict[str, str]:
        """The record ``END``."""
        return {
            "outcome": self.outcome.value,
            "reason": self.reason,
            "instruction": self.instruction,
            "dropped": json.dumps(dict(self.dropped)),
        }

    @classmethod
    def from_metadata(cls, record: Mapping[str, str]) -> "End":
        """Read the record.

        Raises:
            RecordingError: it is not readable.
        """
        try:
            return cls(
                outcome=Outcome(record["outcome"]),
                reason=record["reason"],
                instruction=record["instruction"],
                dropped=json.loads(record["dropped"]),
            )
        except (KeyError, ValueError) as error:
            raise RecordingError(f"its metadata {END} is not readable ({error})") from error
