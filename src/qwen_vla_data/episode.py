"""One recorded episode: what the robot saw, where it was, and what it was commanded.

A simulator adds what its expert would have done under every instruction of the scene, and where
the named things are. A person who teleoperates has neither: one instruction, and what was
commanded afterwards is what there is to learn (``plans.py``).

Stored as one compressed ``.npz`` per episode without pickled objects. Images stay encoded (PNG or
JPEG); states and actions are exact float32 in native units, so that a change of normalisation
never needs new recordings.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.whole_file import write_whole

FORMAT_VERSION = 2
OPTIONAL = {
    "positions_TD": np.float64,
    "stamps_T": np.float64,
    "modes_T": np.str_,
    "interventions_T": bool,
    "observed_T": bool,
    "left_out": np.str_,
    "success": bool,
    "actions_NTHC": np.float32,
    "valid_NTH": bool,
    "boxes_NTV4": np.float32,
    "done_NT": bool,
    "things": np.str_,
    "seen_KTV4": np.float32,
}
"""What an episode may lack, and how it is stored."""
_CONVERTED = ("success", "things", "left_out")
STEPWISE = (
    "commanded_TD",
    "positions_TD",
    "stamps_T",
    "modes_T",
    "interventions_T",
    "observed_T",
)
"""Columns with one row for each recorded step."""


@dataclass(frozen=True, kw_only=True)
class Episode:
    """T recorded steps of one robot.

    Attributes:
        embodiment: name of the embodiment.
        stride: action steps from one recorded step to the next.
        seed: seed of the scene; None where no simulator laid it out.
        instructions: N sentences; the first is the one that was carried out, the others are
            counterfactual, same images and other words, and need a plan each.
        images: camera name -> T encoded images (RGB scenes, PNG or JPEG files as bytes).
        states_TS: float32 [T, S], order of ``Embodiment.state_channels``.
        commanded_TD: float32 [T, D], joint positions commanded when step t was observed, order of
            ``Embodiment.joint_names``: where the chunks of step t start. Without plans those of a
            base are its pose in the world, x m, y m and yaw rad; with plans they are ignored.
        positions_TD: float64 [T, D], measured joint positions; those of a base are 0. None where
            only the states are known.
        stamps_T: float64 [T], ROS time of what was observed at each step, s.
        modes_T: str [T], mode of the control node (``core.modes.Mode``) at each step.
        interventions_T: bool [T], whether a person had the robot.
        observed_T: bool [T], False where the robot could not be observed and the observation
            before stands: what was commanded then is known, but nothing is learned from that
            step. None where every step was observed.
        left_out: how much of what was driven a recording holds beside these steps, and why; None
            where that is nothing.
        success: whether the task was done, as a person or a simulator judged; None where nobody
            did.
        actions_NTHC: float32 [N, T, H, C], order of ``Embodiment.action_channels``: the chunk the
            expert executes from step t for instruction n. None without an expert; then
            there is one instruction, and every action step is recorded.
        valid_NTH: bool [N, T, H], which of those steps may be learned from; with plans only.
        boxes_NTV4: float32 [N, T, V, 4], where each view (order of ``images``) shows what
            instruction n names: left, top, right, bottom as fractions of width and height; NaN
            where it is out of sight. None where nobody knows.
    """

    embodiment: str
    stride: int
    seed: int | None = None
    instructions: tuple[str, ...]
    images: Mapping[str, tuple[bytes, ...]]
    states_TS: np.ndarray
    commanded_TD: np.ndarray
    positions_TD: np.ndarray | None = None
    stamps_T: np.ndarray | None = None
    modes_T: np.ndarray | None = None
    interventions_T: np.ndarray | None = None
    observed_T: np.ndarray | None = None
    left_out: str | None = None
    success: bool | None = None
    actions_NTHC: np.ndarray | None = None
    valid_NTH: np.ndarray | None = None
    boxes_NTV4: np.ndarray | None = None
    done_NT: np.ndarray | None = None
    things: tuple[str, ...] | None = None
    seen_KTV4: np.ndarray | None = None

    def __post_init__(self) -> None:
        """Refuse columns that do not fit each other.

        Raises:
            QwenVlaError: they do not.
        """
        n, t = len(self.instructions), len(self.states_TS)
        lengths = {name: len(frames) for name, frames in self.images.items()}
        actions, valid = _shape(self.actions_NTHC), _shape(self.valid_NTH)
        if actions is None:
            if n != 1 or self.stride != 1 or valid is not None:
                self._refuse(
                    f"{n} instructions and a stride of {self.stride}, but without plans there is "
                    "one instruction, and every action step is recorded"
                )
        elif actions[:2] != (n, t) or valid != actions[:3]:
            self._refuse(
                f"{n} instructions and {t} states do not fit actions {actions} and validity "
                f"{valid}"
            )
        if self.boxes_NTV4 is not None and self.boxes_NTV4.shape != (n, t, len(lengths), 4):
            self._refuse(
                f"boxes have shape {self.boxes_NTV4.shape}, not {(n, t, len(lengths), 4)}"
            )
        if self.done_NT is not None and self.done_NT.shape != (n, t):
            self._refuse(f"done has shape {self.done_NT.shape}, not {(n, t)}")
        named = None if self.things is None else (len(self.things), t, len(self.images), 4)
        if _shape(self.seen_KTV4) != named:
            self._refuse(f"seen has shape {_shape(self.seen_KTV4)}, not {named}")
        for name in STEPWISE:
            if (column := getattr(self, name)) is not None:
                lengths[name] = len(column)
        if any(length != t for length in lengths.values()):
            counts = ", ".join(f"{length} of {name}" for name, length in lengths.items())
            self._refuse(f"{t} states but {counts}")

    def _refuse(self, why: str) -> None:
        which = "" if self.seed is None else f" of seed {self.seed}"
        raise QwenVlaError(f"episode{which}: {why}")

    def save(self, path: Path) -> None:
        """Write to ``path`` whole or not at all.

        Raises:
            QwenVlaError: it cannot be written.
        """
        arrays = {
            "format_version": np.int64(FORMAT_VERSION),
            "embodiment": np.str_(self.embodiment),
            "stride": np.int64(self.stride),
            "instructions": np.array(self.instructions, dtype=np.str_),
            "states_TS": self.states_TS.astype(np.float32),
            "commanded_TD": self.commanded_TD.astype(np.float32),
        }
        if self.seed is not None:
            arrays["seed"] = np.int64(self.seed)
        for name, kind in OPTIONAL.items():
            if (column := getattr(self, name)) is not None:
                arrays[name] = np.asarray(column).astype(kind)
        for name, frames in self.images.items():
            arrays[f"image/{name}/bytes"] = np.frombuffer(b"".join(frames), dtype=np.uint8)
            arrays[f"image/{name}/ends"] = np.cumsum([len(frame) for frame in frames])
        with write_whole(path) as partial, partial.open("wb") as file:
            np.savez_compressed(file, **arrays)

    @classmethod
    def load(cls, path: Path) -> "Episode":
        """Read an episode.

        Raises:
            QwenVlaError: the file is damaged, of another version, or not an episode.
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                if int(arrays["format_version"]) != FORMAT_VERSION:
                    raise QwenVlaError(
                        f"{path}: format {arrays['format_version']}, not {FORMAT_VERSION}"
                    )
                names = [key.split("/")[1] for key in arrays.files if key.endswith("/ends")]
                return cls(
                    embodiment=str(arrays["embodiment"]),
                    stride=int(arrays["stride"]),
                    instructions=tuple(str(text) for text in arrays["instructions"]),
                    images={
                        name: _split(arrays[f"image/{name}/bytes"], arrays[f"image/{name}/ends"])
                        for name in names
                    },
                    states_TS=arrays["states_TS"],
                    commanded_TD=arrays["commanded_TD"],
                    seed=int(arrays["seed"]) if "seed" in arrays else None,
                    success=bool(arrays["success"]) if "success" in arrays else None,
                    things=tuple(map(str, arrays["things"])) if "things" in arrays else None,
                    left_out=str(arrays["left_out"]) if "left_out" in arrays else None,
                    **{n: arrays[n] for n in OPTIONAL if n in arrays and n not in _CONVERTED},
                )
        except (OSError, KeyError, ValueError, EOFError, BadZipFile) as error:
            raise QwenVlaError(f"{path}: not a readable episode ({error})") from error


def _shape(column: np.ndarray | None) -> tuple[int, ...] | None:
    return None if column is None else column.shape


def _split(joined: np.ndarray, ends: np.ndarray) -> tuple[bytes, ...]:
    starts = np.concatenate([[0], ends[:-1]])
    return tuple(joined[start:end].tobytes() for start, end in zip(starts, ends, strict=True))
