"""What a path holds is found out by looking, and what it does not hold is said in one line."""

import pytest

from qwen_vla_core.errors import QwenVlaError
from qwen_vla_data.lerobot.staging import stage
from qwen_vla_data.lerobot.writer import assemble
from qwen_vla_data.sources import find_all, find_episode, find_episodes, is_recorded
from waved_episodes import codec_of, teleoperated


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """A folder of two episode files, and a LeRobot folder of two episodes."""
    folder, widowx = tmp_path_factory.mktemp("places"), codec_of("widowx")
    episodes = [teleoperated(widowx, 6, seed=n) for n in range(2)]
    for number, episode in enumerate(episodes):
        (folder / "files").mkdir(exist_ok=True)
        episode.save(folder / "files" / f"{number}.npz")
    dataset = folder / "dataset"
    staged = [stage(e, widowx, dataset, str(n), exact=True) for n, e in enumerate(episodes)]
    assemble(dataset, staged, "widowx")
    (folder / "empty").mkdir()
    return folder


@pytest.mark.parametrize("kind", ["files", "dataset"])
def test_when_a_path_holds_episodes_expect_the_same_of_either_kind(places, kind):
    widowx = codec_of("widowx")
    sources = find_episodes(places / kind)
    assert len(sources) == 2 and {source.robot for source in sources} == {"widowx"}
    episode = sources[1].load(widowx)
    assert episode.stamps_T[0] == teleoperated(widowx, 1, seed=1).stamps_T[0]
    assert episode.images == find_episodes(places / "files")[1].load(widowx).images


def test_when_one_episode_is_named_expect_that_one(places):
    assert str(find_episode(str(places / "files" / "1.npz"))).endswith("files/1.npz")
    assert str(find_episode(f"{places / 'dataset'}:1")).endswith("dataset episode 1")
    assert is_recorded(f"{places / 'dataset'}:1") and is_recorded("runs/7.npz")
    assert is_recorded("recordings/widowx/7.mcap")
    assert not any(map(is_recorded, (str(places / "files"), "owner/model", "ws://gpu:8000", "")))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nothing", "nothing: no such file or folder"),
        ("empty", r"empty holds no episodes: neither \*.npz or \*.mcap files nor a LeRobot"),
        ("dataset/meta/stats.json", "stats.json is no episode"),
        ("dataset", "dataset holds 2 episodes; name one, such as .*dataset:0"),
        ("dataset:2", "dataset has no episode 2; there are 2, from 0 on"),
    ],
)
def test_when_a_path_holds_something_else_expect_one_line(places, name, words):
    with pytest.raises(QwenVlaError, match=words):
        find_episode(str(places / name))


def test_when_an_episode_is_named_twice_expect_refusal(places):
    with pytest.raises(QwenVlaError, match=r"0\.npz was named twice"):
        find_all([places / "files", places / "files" / "0.npz"])
