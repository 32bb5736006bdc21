"""The errors of the suite: one small hierarchy, so that a caller can catch what it can mend."""


class QwenVlaError(Exception):
    """Anything this project refuses. The message names the culprit and says what to do."""


class YamlFileError(QwenVlaError):
    """A YAML file is missing or unusable; the message names file, line and key of all mistakes."""


class EmbodimentError(QwenVlaError):
    """There is no such robot, or it has no simulated world or no such task."""


class ObservationError(QwenVlaError):
    """A sensor sample was refused; the message names the stream."""


class ChunkError(QwenVlaError):
    """A chunk of actions was refused as a whole; the message says why."""


class NonFiniteError(QwenVlaError):
    """NaN or infinity turned up where only finite numbers may pass."""


class KinematicsError(QwenVlaError):
    """A pose cannot be reached within the joint limits."""


class CheckpointError(QwenVlaError):
    """A checkpoint cannot be used: missing, damaged, or trained for another robot."""


class RemoteError(QwenVlaError):
    """A policy over the network gives no usable answer; the message names the server and why."""


class InstructionError(QwenVlaError):
    """An instruction is empty, too long or not text."""


class RecordingError(QwenVlaError):
    """A recording cannot be written or read; the message names the file and why."""
