"""Looks for faults in episodes, each by itself and beside the others."""

from collections.abc import Sequence
from dataclasses import dataclass

from qwen_vla_core.embodiment import Embodiment, EmbodimentCodec
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_data.checks import Checked, Finding, check_episode, swapped_between_episodes
from qwen_vla_data.lerobot.validator import problems_of
from qwen_vla_data.sources import EpisodeSource

from .each_episode import each_episode


@dataclass(frozen=True, kw_only=True)
class Found:
    """A finding in one episode, or in a dataset as a whole (``second`` is None)."""

    where: str
    second: float | None
    what: str

    def __str__(self) -> str:
        """``file  12.3 s  what``."""
        at = "" if self.second is None else f"  {self.second:.1f} s"
        return f"{self.where}{at}  {self.what}"


def check(sources: Sequence[EpisodeSource], robot: Embodiment, workers: int) -> list[Found]:
    """Everything that is wrong, in the order of the episodes."""
    folders = dict.fromkeys(source.path for source in sources if source.number is not None)
    found = [
        Found(where=str(folder), second=None, what=problem)
        for folder in folders
        for problem in problems_of(folder)
    ]
    checked = list(each_episode(_check, sources, robot, workers, "check"))
    seen = [number for number, episode in enumerate(checked) if episode.looks]
    exchanged = swapped_between_episodes([checked[number].looks for number in seen])
    for place, number in enumerate(seen):
        for finding in exchanged.get(place, []):
            found.append(_found(sources[number], finding))
    for source, episode in zip(sources, checked, strict=True):
        found += [_found(source, finding) for finding in episode.findings]
    order = {str(source): number for number, source in enumerate(sources)}
    return sorted(found, key=lambda f: (order.get(f.where, -1), f.second or 0.0))


def _found(source: EpisodeSource, finding: Finding) -> Found:
    return Found(where=str(source), second=finding.second, what=finding.what)


def _check(source: EpisodeSource, codec: EmbodimentCodec) -> Checked:
    try:
        episode = source.load(codec)
    except QwenVlaError as error:  # a file that cannot be read is what this looks for
        what = str(error).replace(f"{source.path}: ", "")
        return Checked(findings=(Finding(second=0.0, what=what),), looks=())
    return check_episode(episode, codec)
