"""The same work on many episodes, in parallel processes, with a progress bar."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar

from qwen_vla_core.embodiment import Embodiment, EmbodimentCodec
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.worker_pool import WorkerPool
from qwen_vla_data.sources import EpisodeSource

Result = TypeVar("Result")


def each_episode(
    work: Callable[[EpisodeSource, EmbodimentCodec], Result],
    sources: Sequence[EpisodeSource],
    robot: Embodiment,
    workers: int,
    title: str,
) -> Iterator[Result]:
    """Results in the order of the episodes, each as soon as it is there.

    Args:
        work: a function of a module, or a ``partial`` of one: it goes to other processes.
    Raises:
        QwenVlaError: of an episode that cannot be worked on; the message names it.
    """
    from qwen_vla_sim.progress import progress_bar

    processes = min(workers, len(sources))
    with progress_bar(len(sources), "episode", title=title) as progress:
        if processes == 1:  # another process would take a second to start
            _start(robot)
            for source in sources:
                yield _work(work, source)
                progress.update()
            return
        with WorkerPool(processes, _start, robot) as pool:
            for result in pool.map(partial(_work, work), sources):
                yield result
                progress.update()


_codec: EmbodimentCodec
"""State of a worker process."""


def _start(robot: Embodiment) -> None:
    global _codec
    _codec = EmbodimentCodec(robot)


def _work(
    work: Callable[[EpisodeSource, EmbodimentCodec], Result], source: EpisodeSource
) -> Result:
    try:
        return work(source, _codec)
    except QwenVlaError as error:
        where = "" if str(source.path) in str(error) else f"{source}: "
        raise QwenVlaError(f"{where}{error}") from error
