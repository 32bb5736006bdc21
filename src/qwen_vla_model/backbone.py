"""The vision-language backbone (paper section 2.2): Qwen3.5, transformers' own classes and names.

Two things differ from the stock forward, neither in the numbers: images of one size go through
the vision tower as one batch (transformers attends to them one by one), and the multi-section
positions are computed once per layout of the prompt instead of once per sample.

Letters of shapes: N images of L patches with P values each in the vision tower; P prompts of L
tokens with E channels each in the language model.
"""

import torch
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint
from transformers import Qwen3_5Model
from transformers.vision_utils import (
    get_vision_interpolation_indices_and_weights,
    get_vision_position_ids,
)

from .attention import attend, rotate

Grid = tuple[int, int]
"""Patches of an image: rows, columns."""


class Backbone(Qwen3_5Model):
    """Qwen3.5 with parameters named as in its checkpoints (``visual.*``, ``language_model.*``)."""

    def __init__(self, config):
        super().__init__(config)
        self.recompute = False  # activations backwards, as in ActionExpert
        self._layouts = {}  # geometry of each image size and prompt layout seen so far
        table = self.visual.pos_embed.weight
        with torch.no_grad():  # a start from scratch knows where things are from the first step
            table.copy_(_sinusoids_2d(self.visual.num_grid_per_side, table.shape[1]))

    def encode_images(self, patches_NLP: torch.Tensor, grid: Grid) -> torch.Tensor:
        """Run the vision tower on N images of one size.

        Args:
            patches_NLP: [N, rows * columns, values of a patch], merge-block order.
        Returns:
            Image tokens [N, rows * columns / merge^2, text width].
        """
        tower, merge = self.visual, self.config.vision_config.spatial_merge_size
        key = ("vision", grid, patches_NLP.device)
        if key not in self._layouts:
            device, thw = patches_NLP.device, torch.tensor([[1, *grid]])
            interpolation = get_vision_interpolation_indices_and_weights(
                thw,
                num_grid_per_side=tower.num_grid_per_side,
                mode=tower.interpolation_mode,
                align_corners=tower.interpolation_align_corners,
                spatial_merge_size=merge,
            )
            positions = get_vision_position_ids(thw, merge).to(device)
            self._layouts[key] = (
                tuple(t.to(device) for t in interpolation),
                tower.rotary_pos_emb(patches_NLP, positions),
            )
        return self.see(patches_NLP, *self._layouts[key])

    def see(self, patches_NLP: torch.Tensor, interpolation, rotation) -> torch.Tensor:
        """The vision tower, as ``encode_images`` says; with where its patches are.

        Args:
            interpolation: indices and weights of the table of positions.
            rotation: cosines and sines.
        """
        tower, (index, weight), (cos, sin) = self.visual, interpolation, rotation
        projection = tower.patch_embed.proj  # a convolution whose stride is its kernel: a linear
        patches = patches_NLP.to(projection.weight.dtype)
        x = F.linear(patches, projection.weight.flatten(1), projection.bias)
        x = x + (tower.pos_embed(index) * weight[:, :, None]).sum(1).to(x.dtype)
        for block in tower.blocks:
            if self.recompute and torch.is_grad_enabled():
                x = checkpoint(_vision_block, block, x, cos, sin, use_reentrant=False)
            else:
                x = _vision_block(block, x, cos, sin)
        return tower.merger(x).unflatten(0, (len(x), -1))

    def positions(
        self, P: int, L: int, image_at: tuple[int, ...], grids: tuple[Grid, ...], device
    ) -> torch.Tensor:
        """Multi-section positions [3, P, L] of prompts that hold their images alike.

        Padding stands on the right and counts on, which nothing before it sees.
        """
        key = ("text", L, image_at, grids, device)
        if key not in self._layouts:
            image = torch.zeros(1, L, dtype=torch.int)
            image[0, list(image_at)] = 1
            thw = torch.tensor([[1, *grid] for grid in grids]).view(-1, 3)
            positions, _ = self.get_rope_index(torch.zeros(1, L, dtype=torch.long), image, thw)
            self._layouts[key] = positions.to(device)
        return self._layouts[key].expand(-1, P, -1)

    def encode(
        self,
        input_ids_PL: torch.Tensor,
        images_PIE: torch.Tensor,
        image_at: tuple[int, ...],
        positions_3PL: torch.Tensor,
    ) -> torch.Tensor:
        """Hidden states [P, L, E] after the last layer of the language model.

        Args:
            images_PIE: the image tokens of each prompt, in their order.
            image_at: where in the prompts they stand.
        """
        key = ("images", image_at, input_ids_PL.device)
        if key not in self._layouts:
            self._layouts[key] = torch.tensor(
                image_at, dtype=torch.long, device=input_ids_PL.device
            )
        embeds = self.language_model.embed_tokens(input_ids_PL)
        embeds = embeds.index_copy(1, self._layouts[key], images_PIE.to(embeds.dtype))
        return self.language_model(
            inputs_embeds=embeds, position_ids=positions_3PL, use_cache=False
        ).last_hidden_state


def _vision_block(block, x: torch.Tensor, cos, sin) -> torch.Tensor:
    attention = block.attn
    qkv = attention.qkv(block.norm1(x)).unflatten(-1, (3, attention.num_heads, -1))
    qkv = qkv.permute(2, 0, 3, 1, 4)  # each [N, heads, L, head_dim]
    q, k = rotate(qkv[:2].float(), (cos[None].float(), sin[None].float())).to(qkv.dtype)
    x = x + attention.proj(attend(q, k, qkv[2]).transpose(1, 2).flatten(2))
    return x + block.mlp(block.norm2(x))


def _sinusoids_2d(side: int, width: int) -> torch.Tensor:
    """Smooth features of row and column, [side * side, width], of the size of a patch's."""
    waves = torch.exp(torch.linspace(0.0, 3.0, width // 4)) * torch.pi / 2 / side
    angles = torch.arange(side)[:, None] * waves
    line = torch.cat([angles.sin(), angles.cos()], dim=1)  # [side, width / 2]
    rows, columns = line.repeat_interleave(side, 0), line.repeat(side, 1)
    return torch.cat([rows, columns], dim=1)
