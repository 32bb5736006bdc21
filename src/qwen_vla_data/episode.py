"""One recorded episode: what the robot saw, where it was, and what the expert would have done.

Stored as one compressed ``.npz`` per episode without pickled objects. Images stay encoded (PNG or
JPEG); states and actions are exact float32 in native units, so that a change of normalisation
never needs new recordings.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from qwen_vla_core.errors import QwenVlaError

FORMAT_VERSION = 2


@dataclass(frozen=True, kw_only=True)
class Episode:
    """T recorded steps of one robot.

    Attributes:
        embodiment: name of the embodiment.
        stride: action steps from one recorded step to the next.
        seed: seed of the scene.
        instructions: N sentences; the first is the one that was carried out, the others are
            counterfactual: same images, other words.
        images: camera name -> T encoded images (RGB scenes, PNG or JPEG files as bytes).
        states_TS: float32 [T, S], order of ``Embodiment.state_channels``.
        commanded_TD: float32 [T, D], joint positions commanded when step t was observed, order of
            ``Embodiment.joint_names``: where the chunks of step t start.
        actions_NTHC: float32 [N, T, H, C], order of ``Embodiment.action_channels``: the chunk the
            expert executes from step t when told instruction n.
        valid_NTH: bool [N, T, H], which of those steps may be learned from.
        boxes_NTV4: float32 [N, T, V, 4], where each view (order of ``images``) shows what
            instruction n names: left, top, right, bottom as fractions of width and height; NaN
            where it is out of sight.
    """

    embodiment: str
    stride: int
    seed: int
    instructions: tuple[str, ...]
    images: Mapping[str, tuple[bytes, ...]]
    states_TS: np.ndarray
    commanded_TD: np.ndarray
    actions_NTHC: np.ndarray
    valid_NTH: np.ndarray
    boxes_NTV4: np.ndarray

    def __post_init__(self) -> None:
        n, t = len(self.instructions), len(self.states_TS)
        lengths = {name: len(frames) for name, frames in self.images.items()}
        if (
            self.actions_NTHC.shape[:2] != (n, t)
            or self.valid_NTH.shape != self.actions_NTHC.shape[:3]
        ):
            raise QwenVlaError(
                f"episode of seed {self.seed}: {n} instructions and {t} states do not fit actions "
                f"{self.actions_NTHC.shape} and validity {self.valid_NTH.shape}"
            )
        if self.boxes_NTV4.shape != (n, t, len(lengths), 4):
            raise QwenVlaError(
                f"episode of seed {self.seed}: boxes have shape {self.boxes_NTV4.shape}, "
                f"not {(n, t, len(lengths), 4)}"
            )
        if any(length != t for length in (len(self.commanded_TD), *lengths.values())):
            raise QwenVlaError(
                f"episode of seed {self.seed}: {t} states but {len(self.commanded_TD)} commands "
                f"and images {lengths}"
            )

    def save(self, path: Path) -> None:
        """Write to ``path`` whole or not at all."""
        arrays = {
            "format_version": np.int64(FORMAT_VERSION),
            "embodiment": np.str_(self.embodiment),
            "stride": np.int64(self.stride),
            "seed": np.int64(self.seed),
            "instructions": np.array(self.instructions, dtype=np.str_),
            "states_TS": self.states_TS.astype(np.float32),
            "commanded_TD": self.commanded_TD.astype(np.float32),
            "actions_NTHC": self.actions_NTHC.astype(np.float32),
            "valid_NTH": self.valid_NTH.astype(bool),
            "boxes_NTV4": self.boxes_NTV4.astype(np.float32),
        }
        for name, frames in self.images.items():
            arrays[f"image/{name}/bytes"] = np.frombuffer(b"".join(frames), dtype=np.uint8)
            arrays[f"image/{name}/ends"] = np.cumsum([len(frame) for frame in frames])
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        with temporary.open("wb") as file:
            np.savez_compressed(file, **arrays)
        temporary.replace(path)

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
                    seed=int(arrays["seed"]),
                    instructions=tuple(str(text) for text in arrays["instructions"]),
                    images={
                        name: _split(arrays[f"image/{name}/bytes"], arrays[f"image/{name}/ends"])
                        for name in names
                    },
                    states_TS=arrays["states_TS"],
                    commanded_TD=arrays["commanded_TD"],
                    actions_NTHC=arrays["actions_NTHC"],
                    valid_NTH=arrays["valid_NTH"],
                    boxes_NTV4=arrays["boxes_NTV4"],
                )
        except (OSError, KeyError, ValueError, EOFError, BadZipFile) as error:
            raise QwenVlaError(f"{path}: not a readable episode ({error})") from error


def _split(joined: np.ndarray, ends: np.ndarray) -> tuple[bytes, ...]:
    starts = np.concatenate([[0], ends[:-1]])
    return tuple(joined[start:end].tobytes() for start, end in zip(starts, ends, strict=True))
