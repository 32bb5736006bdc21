"""The tokens of prompts (paper section 2.3), and the tokenizer of ``qwen_vla_tiny``.

That is a small byte-level BPE, trained on instructions for robots. Byte-level, so
that any instruction encodes. The clauses of the paper's prompt that are the same for every robot
are one token each: they carry no information, and on a CPU every token counts. A full-size
checkpoint brings Qwen's own tokenizer instead; only the view tags are added to it.
"""

import random
import re
from collections.abc import Iterable
from functools import cache
from typing import get_args

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from qwen_vla_core.embodiment.schema import ViewTag
from qwen_vla_core.errors import CheckpointError

from .config import QwenVlaConfig

VIEW_TAGS = get_args(ViewTag)
PAD, IMAGE = "<|endoftext|>", "<|image_pad|>"
VISION_START, VISION_END = "<|vision_start|>", "<|vision_end|>"
TAG_TOKENS = tuple(f"<|{tag}_{end}|>" for tag in VIEW_TAGS for end in ("start", "end"))
SPECIAL = (PAD, IMAGE, VISION_START, VISION_END, *TAG_TOKENS)
CHAT = ("<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n")
"""What Qwen's chat template puts before and after what a user says."""
TURNS = ("<|im_start|>", "<|im_end|>")
CLAUSES = (
    "The robot is ",
    " with single arm",
    " with dual arms",
    " with mobile base",
    ", and mobile base",
    ". The control frequency is ",
    " Hz. Please predict the next ",
    " control actions to execute the following task: ",
    " waypoints (dx, dy, dtheta) to execute the following navigation task: ",
)

_COLOURS = "red green blue yellow orange purple white black brown grey pink".split()
_OBJECTS = (
    "block cube ball pillar cone cylinder cup bowl plate spoon towel drawer box bottle pen peg "
    "lid pot can".split()
)
_PLACES = "table shelf bin tray basket sink stove left right front back centre corner door".split()
_ROBOTS = "widowX aloha mobile_base franka_panda so100 unitree_g1 google_robot viperX".split()
_TASKS = (
    "pick up the {a} {x}",
    "grasp the {a} {x} and lift it",
    "put the {a} {x} on the {b} {y}",
    "place the {x} into the {p}",
    "move the {a} {x} to the {p} of the {b} {y}",
    "stack the {a} {x} on top of the {b} {y}",
    "push the {x} towards the {p}",
    "open the {x}",
    "close the {x}",
    "pick up the {a} {x} with the {s} arm",
    "take the {a} {x} in the {s} hand",
    "hand the {a} {x} to the {s} arm",
    "hand the {a} {x} over to the other arm",
    "go to the {a} {x}",
    "drive to the {a} {x} {s} of the {b} {y}",
    "turn {p} and drive to the {p}",
    "drive forward {n} metres, then stop",
    "insert the {a} {x} into the {b} {y}",
    "wipe the {p} with the {x}",
    "state: [{n}, {n}, {n}, {n}, {n}, {n}, {n}] lift the {x}",
)


def tag_tokens(tag: str) -> tuple[str, str]:
    """What stands before and after the images of a view."""
    return f"<|{tag}_start|>", f"<|{tag}_end|>"


def sentences(count: int, seed: int = 0) -> list[str]:
    """``count`` made-up tasks, with robots, objects, colours, places and numbers."""
    rng = random.Random(seed)
    return [
        rng.choice(_TASKS).format(
            a=rng.choice(_COLOURS),
            b=rng.choice(_COLOURS),
            x=rng.choice(_OBJECTS),
            y=rng.choice(_OBJECTS),
            p=rng.choice(_PLACES),
            s=rng.choice(("left", "right")),
            n=rng.randrange(256),
        )
        + f". {rng.choice(_ROBOTS)} {rng.randrange(256)}"
        for _ in range(count)
    ]


def train_tokenizer(vocab_size: int = 1024) -> PreTrainedTokenizerFast:
    """Train on the corpus; the same call always gives the same tokenizer."""
    return PreTrainedTokenizerFast(
        tokenizer_object=trained_bpe(vocab_size),  # which it copies
        pad_token=PAD,
        eos_token=PAD,
        additional_special_tokens=[t for t in SPECIAL if t != PAD],
        clean_up_tokenization_spaces=False,
    )


@cache  # it takes a second
def trained_bpe(vocab_size: int) -> Tokenizer:
    """What ``train_tokenizer`` wraps; it is not to be changed."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(  # digits one by one, as Qwen's own
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - len(CLAUSES),
        special_tokens=[*SPECIAL],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(sentences(20_000), trainer)
    bpe.add_tokens([AddedToken(clause, normalized=False) for clause in CLAUSES])
    return bpe


def control_tokens(tokenizer: PreTrainedTokenizerFast) -> re.Pattern[str]:
    """Finds what a tokenizer takes for more than its letters: image places, ends, tags, roles."""
    added = {token.content for token in tokenizer.added_tokens_decoder.values()} - {*CLAUSES}
    return re.compile("|".join(map(re.escape, sorted(added, key=len, reverse=True))))


def cut_control_tokens(text: str, controls: re.Pattern[str]) -> list[str]:
    """The text in pieces, none of which holds a whole control token.

    Tokenised one by one, they are plain text whatever a person wrote. Text without any is one
    piece.
    """
    pieces = []
    while found := controls.search(text):
        cut = found.start() + 1
        pieces.append(text[:cut])
        text = text[cut:]
    return [*pieces, text]


def check_tokens(
    tokenizer: PreTrainedTokenizerFast, config: QwenVlaConfig, tags: Iterable[str]
) -> None:
    """Refuse a tokenizer that does not belong to a model, or lacks the tokens of some views.

    Args:
        tags: of the views that prompts will hold.
    Raises:
        CheckpointError: it lacks a token that prompts are built from, has another image token, or
            has more tokens than the model has embeddings.
    """
    known = tokenizer.get_vocab()
    needed = [PAD, IMAGE, VISION_START, VISION_END]
    needed += [token for tag in tags for token in tag_tokens(tag)]
    needed += TURNS if config.prompt == "chat" else ()
    if missing := [token for token in needed if token not in known]:
        raise CheckpointError(f"the tokenizer has no token {', '.join(missing)}")
    backbone = config.backbone_config()
    if known[IMAGE] != backbone.image_token_id:
        raise CheckpointError(
            f"{IMAGE} is token {known[IMAGE]}, but the model's image_token_id is "
            f"{backbone.image_token_id}"
        )
    if max(known.values()) >= backbone.text_config.vocab_size:
        raise CheckpointError(
            f"the tokenizer's highest token is {max(known.values())}, but the model has "
            f"{backbone.text_config.vocab_size} embeddings"
        )
