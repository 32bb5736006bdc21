"""What is measured on episodes that were held out."""

import numpy as np
import pytest
import torch
from torch import nn

from micro_processor import micro_processor
from qwen_vla_data.sources import find_episodes
from qwen_vla_model.training.dataset import EpisodeDataset
from qwen_vla_model.training.validation import validate
from waved_episodes import codec_of, teleoperated

WIDOWX = codec_of("widowx")
HORIZON = WIDOWX.embodiment.horizon
BEYOND = 50.0


class RightWithinTheEpisode(nn.Module):
    """Predicts each chunk as it is, and where the episode has ended something far away."""

    def __init__(self, chunks_PHK, mask_PHK):
        super().__init__()
        self.scale = nn.Parameter(
            torch.ones(()), requires_grad=False
        )  # says on which device it is
        self.chunks_PHK = torch.where(mask_PHK, chunks_PHK, torch.tensor(BEYOND))

    def predict(self, inputs, generator):
        return self.chunks_PHK * self.scale


@pytest.mark.parametrize(("steps", "measured"), [(HORIZON + 6, True), (HORIZON - 2, False)])
def test_when_chunks_go_beyond_their_episode_expect_only_whole_ones_compared_by_their_end(
    tmp_path, steps, measured
):
    teleoperated(WIDOWX, HORIZON + 6).save(tmp_path / "0.npz")
    processor = micro_processor(WIDOWX.embodiment)[1]
    whole = EpisodeDataset(find_episodes(tmp_path / "0.npz"), processor)
    teleoperated(WIDOWX, steps).save(tmp_path / "1.npz")
    data = EpisodeDataset(find_episodes(tmp_path / "1.npz"), processor, whole.space)
    indices = list(range(len(data)))
    batch = data.batch(indices, np.random.default_rng(0), per_image=99)
    assert not batch.mask_PHK.any(-1).all(-1).all()  # some go beyond
    result = validate(RightWithinTheEpisode(batch.actions_PHK, batch.mask_PHK), data, indices)
    assert result["action_error"] == 0.0
    assert ("position_mm" in result) is measured
    if measured:
        np.testing.assert_allclose(result["position_mm"], 0.0, atol=1e-3)
        assert result["within_1cm"] == 1.0
