"""Which robot some episodes are of."""

from collections.abc import Sequence

from qwen_vla_core.embodiment import Embodiment, find_embodiment, load_embodiment
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.resources import embodiments_directory
from qwen_vla_data.sources import EpisodeSource


def robot_of(sources: Sequence[EpisodeSource], named: str | None) -> Embodiment:
    """The robot that was named, or that the first episode says it was recorded on.

    Raises:
        QwenVlaError: the episode does not say it, or there is no such robot here; the message
            says to name it.
    """
    if named is not None:
        return load_embodiment(find_embodiment(named, embodiments_directory()))
    name = sources[0].robot
    files = {file.stem: file for file in embodiments_directory().rglob("*.yaml")}
    if name not in files:
        whose = f"{sources[0]} is of robot '{name}'" if name else f"{sources[0]} names no robot"
        raise QwenVlaError(f"{whose}, which is not in embodiments/; say --embodiment <file.yaml>")
    return load_embodiment(files[name])
