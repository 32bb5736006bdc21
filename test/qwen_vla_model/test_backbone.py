"""Our forward passes equal transformers' own."""

import torch

from micro_qwen_vla import GRID, TOKENS_PER_VIEW, micro_inputs, micro_model


def test_when_images_have_one_size_expect_the_stock_vision_tower():
    backbone = micro_model().backbone
    patches = torch.randn(3, 16, 192)
    ours = backbone.encode_images(patches, GRID)
    stock = backbone.visual(patches.flatten(0, 1), grid_thw=torch.tensor([[1, *GRID]] * 3))
    torch.testing.assert_close(ours.flatten(0, 1), stock.pooler_output, rtol=1e-4, atol=1e-5)


def test_when_a_prompt_is_encoded_expect_the_stock_language_model():
    backbone, inputs = micro_model().backbone, micro_inputs()
    images = torch.cat([backbone.encode_images(view, GRID) for view in inputs.patches], dim=1)
    ids, at = inputs.input_ids_PL, inputs.image_at
    positions = backbone.positions(*ids.shape, at, inputs.grids, ids.device)
    ours = backbone.encode(ids, images, at, positions)
    image = inputs.input_ids_PL == backbone.config.image_token_id
    stock = backbone(
        input_ids=inputs.input_ids_PL,
        mm_token_type_ids=image.int(),
        # one by one: first observation's views, then the second's
        pixel_values=torch.stack(inputs.patches, dim=1).flatten(0, 2),
        image_grid_thw=torch.tensor([[1, *GRID]] * 4),
    ).last_hidden_state
    torch.testing.assert_close(ours, stock, rtol=1e-4, atol=1e-5)
    assert image.sum() == 2 * 2 * TOKENS_PER_VIEW
