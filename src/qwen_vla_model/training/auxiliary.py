"""Questions about images beside the actions: the paper's vision-language part of the mixture.

A file of examples has one JSON object a line, with the path of an image from the file's folder:

    {"image": "images/kitchen.jpg", "question": "What is on the stove?", "answer": "A red pot."}

Captions, answers, boxes and driving scenes all come like that; datasets that have several turns
are one line for each. An answer ends with the token that ends a turn, where a tokenizer has one.
"""

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import torch
from pydantic import Field, PositiveFloat, PositiveInt
from transformers import PreTrainedTokenizerFast

from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.yaml_file import Strict
from qwen_vla_data.images import decode_image

from ..config import QwenVlaConfig
from ..images import patchify
from ..model import Inputs
from ..tokenizer import (
    CHAT,
    IMAGE,
    PAD,
    TURNS,
    VISION_END,
    VISION_START,
    control_tokens,
    cut_control_tokens,
)

KEYS = {"image", "question", "answer"}


class AuxiliarySource(Strict):
    """A file of examples, and how often one is of it, against the other files' weights."""

    examples: Path
    weight: PositiveFloat = 1.0


class AuxiliaryRecipe(Strict):
    """What each batch learns beside its actions.

    Attributes:
        sources: where the examples are from.
        each_batch: examples that are added to a batch.
        weight: of their loss beside the action loss.
        view: width and height that images are resized to, in pixels.
    """

    sources: tuple[AuxiliarySource, ...] = Field(min_length=1)
    each_batch: PositiveInt
    weight: PositiveFloat = 0.1
    view: tuple[PositiveInt, PositiveInt] = (256, 256)


class AuxiliaryExamples:
    """The examples of a recipe as the backbone takes them."""

    def __init__(
        self, recipe: AuxiliaryRecipe, config: QwenVlaConfig, tokenizer: PreTrainedTokenizerFast
    ):
        """Read the files; images are read when they are needed.

        Raises:
            QwenVlaError: a file or a line of it is unusable, or images of this size are.
        """
        self._recipe, self._tokenizer, self._config = recipe, tokenizer, config
        vision = config.backbone_config().vision_config
        self._vision, unit = vision, vision.patch_size * vision.spatial_merge_size
        width, height = recipe.view
        if width % unit or height % unit:
            raise QwenVlaError(
                f"auxiliary: view {width} x {height}: the model needs multiples of {unit}"
            )
        self._grid = height // vision.patch_size, width // vision.patch_size
        self._lines = [_read(source.examples) for source in recipe.sources]
        weights = np.array([source.weight for source in recipe.sources])
        self._shares = weights / weights.sum()
        self._controls = control_tokens(tokenizer)

    def batch(self, rng: np.random.Generator) -> Inputs:
        """Some examples, each with its answer behind the prompt (``grounding.answer_loss``)."""
        chosen = rng.choice(len(self._lines), self._recipe.each_batch, p=self._shares)
        examples = [self._lines[i][rng.integers(len(self._lines[i]))] for i in chosen]
        prompts = [[*self._view, *self._words(e["question"]), *self._end] for e in examples]
        rows = [
            [*prompt, *self._words(example["answer"]), *self._stop]
            for prompt, example in zip(prompts, examples, strict=True)
        ]
        length = max(map(len, rows))
        pad, image = self._tokenizer.convert_tokens_to_ids([PAD, IMAGE])
        ids = torch.tensor([row + [pad] * (length - len(row)) for row in rows])
        lengths = torch.tensor([len(prompt) for prompt in prompts])
        config, count = self._config, len(rows)
        return Inputs(
            patches=(patchify(torch.from_numpy(self._images(examples)), self._vision),),
            grids=(self._grid,),
            image_at=tuple(i for i, token in enumerate(self._view) if token == image),
            observation_P=torch.arange(count),
            input_ids_PL=ids,
            mask_PL=torch.arange(length) < lengths[:, None],
            state_PK=torch.zeros(count, config.channels),
            valid_PHK=torch.zeros(count, config.horizon, config.channels, dtype=torch.bool),
        )

    def _images(self, examples: Sequence[dict]) -> np.ndarray:
        images = []
        for example in examples:
            path = example["image"]
            try:
                encoded = path.read_bytes()
            except OSError as error:
                raise QwenVlaError(f"{path}: {error.strerror}") from error
            image = decode_image(encoded, str(path))
            images.append(cv2.resize(image, self._recipe.view, interpolation=cv2.INTER_AREA))
        return np.stack(images)

    def _tokenize(self, text: str) -> list[int]:
        return self._tokenizer(text, add_special_tokens=False)["input_ids"]

    def _words(self, text: str) -> list[int]:
        pieces = cut_control_tokens(text, self._controls)
        return [token for piece in pieces for token in self._tokenize(piece)]

    @cached_property
    def _view(self) -> list[int]:
        rows, columns = self._grid
        count = rows * columns // self._vision.spatial_merge_size**2
        before = CHAT[0] if self._config.prompt == "chat" else ""
        return self._tokenize(before + VISION_START + IMAGE * count + VISION_END)

    @cached_property
    def _end(self) -> list[int]:
        return self._tokenize(CHAT[1]) if self._config.prompt == "chat" else []

    @cached_property
    def _stop(self) -> list[int]:
        known = self._tokenizer.get_vocab()
        return [known[TURNS[1]]] if TURNS[1] in known else []


def _read(path: Path) -> list[dict]:
    """The examples of a file, with the paths of their images.

    Raises:
        QwenVlaError: it cannot be read, or a line is no example; the line is named.
    """
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise QwenVlaError(f"auxiliary: {path}: cannot be read ({error})") from error
    examples = []
    for number, line in enumerate(lines, 1):
        try:
            example = json.loads(line)
            if set(example) != KEYS or not all(isinstance(v, str) for v in example.values()):
                raise ValueError(f"needs the texts {', '.join(sorted(KEYS))} and nothing else")
        except (ValueError, TypeError) as error:
            raise QwenVlaError(f"auxiliary: {path}:{number}: no example: {error}") from error
        examples.append(example | {"image": path.parent / example["image"]})
    if not examples:
        raise QwenVlaError(f"auxiliary: {path}: no examples in it")
    return examples
