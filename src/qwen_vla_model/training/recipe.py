"""A training recipe: one YAML file, checked strictly."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

from qwen_vla_core.embodiment import find_embodiment, load_embodiment
from qwen_vla_core.errors import QwenVlaError, YamlFileError
from qwen_vla_core.resources import embodiments_directory
from qwen_vla_core.yaml_file import Strict, WrongKey, read_yaml
from qwen_vla_core.yaml_file.kinds import RECIPE
from qwen_vla_data.sources import find_episodes

from ..action_space import Counting
from ..channel_layout import ChannelLayout
from ..config import PUBLISHED_EXPERT, ExpertConfig, PromptForm
from ..flow_matching import TauDistribution
from .auxiliary import AuxiliaryRecipe
from .optimizer import Method
from .questions import QuestionRecipe


class LearningRates(Strict):
    """Peak learning rate of each part (group-wise, as in the paper's supervised stage)."""

    vision: NonNegativeFloat
    language: NonNegativeFloat
    expert: NonNegativeFloat


class Source(Strict):
    """A part of the mixture: a robot's description, and a folder of its episodes.

    Episode files, recordings, or a LeRobot dataset: what the folder holds decides.
    """

    embodiment: Path
    """A YAML file, or the name of a shipped robot."""
    episodes: Path
    weight: PositiveFloat = 1.0
    """How often a batch is of it, against the other sources' weights."""
    takeovers: PositiveInt = 1
    """How often a step is learned from in which a person had taken over from the policy, against
    one of all others. The last second of the policy before that is never learned from."""
    first: PositiveInt | None = None
    """Learn from only this many, the first by name: what fewer episodes would have given."""

    @field_validator("embodiment")
    @classmethod
    def _robot_known(cls, embodiment: Path) -> Path:
        try:
            return find_embodiment(str(embodiment), embodiments_directory())
        except YamlFileError as error:
            raise ValueError(str(error)) from error


class GroundingRecipe(Strict):
    """Where is what the instruction names? First by itself, then beside the action loss."""

    steps: NonNegativeInt = 0
    """Steps that train vision and language on the bare question, before any action."""
    weight: NonNegativeFloat = 0.1
    """Weight of its loss beside the action loss, as in the paper's supervised stage."""

    @property
    def enabled(self) -> bool:
        """Whether grounding is trained at all."""
        return self.steps > 0 or self.weight > 0


class Adapters(Strict):
    """Low-rank adapters (LoRA) beside the weights of vision and language, see ``adapters.py``."""

    rank: PositiveInt = 16


class Recipe(Strict):
    """One stage of training on recorded episodes. Relative paths count from the working folder.

    Attributes:
        mixture: whose episodes it learns from; each batch from one source. A robot may have
            several.
        out: where the run writes, unless the command says where.
        start_from: checkpoint folder to continue from, and, where it is a run's, its forecast of
            boxes (``grounding.py``).
        backbone: instead, a Qwen3.5 checkpoint, folder or hub name, to put a new expert on; with
            neither, ``qwen_vla_tiny`` starts from random weights.
        expert: sizes and choices of that new expert.
        prompt: whether prompts stand in Qwen's chat template (``QwenVlaConfig``); by default as in
            the checkpoint that it starts from.
        view: width and height of the model's views in pixels, of all cameras; by default as in
            the checkpoint that it starts from, and for a new model the robots' own.
        actions: how actions are counted and normalised; by default as in the checkpoint that it
            starts from, and for a new model as the defaults of ``Counting`` say.
        full_sequence: learn whole episodes from their first frame on, of up to that many action
            steps, instead of chunks: the paper's language-to-action stage. There a sentence says
            how all of a motion goes, also what comes after a chunk.
        images: whether prompts hold views. Without is the paper's language-to-action pretraining:
            sentences and actions alone, with vision and language frozen.
        channel_layout: where a robot's channels stand in those of a new model, see
            ``channel_layout.py``.
        max_steps, max_minutes: the training ends, and the cosine reaches its floor, at whichever
            comes first. Minutes are counted over all resumed parts of a run.
        frozen: parts whose weights stay as they are. The paper's text-to-action stage freezes
            vision and language and trains the expert alone.
        adapters: vision and language keep their weights, as far as they are not frozen, and learn
            by small matrices beside them; the checkpoint holds the sum. For a large backbone.
        device: by default the GPU where there is one.
        compile: whether the passes are compiled; by default on a GPU, where it pays.
        workers: threads that prepare the next batches.
        batches: a step learns from that many, each of one source of its own; on a CPU in as many
            threads, as far as there are cores. The result does not depend on how many there are.
        backbone_weights: what a backbone is held as that does not learn itself: frozen, or with
            adapters beside it.
        recompute: compute activations again in the backward pass instead of keeping them
            (gradient checkpointing): a third more time, a fraction of the memory.
        ema: share of a moving average of the weights that a step leaves, e.g. 0.999; the
            checkpoint is the average then.
        precision: what the forward pass computes in; weights and optimiser stay float32.
        observations, instructions, draws: a batch is of that many observations, each with up to so
            many of its instructions, each with this many noise draws.
        prefix_steps: each draw is given up to this many steps without noise and learns to continue
            them (real-time chunking), 0 for none. As many as the delay between an observation and
            its chunk may ever last.
        prefix_detour: how often a prefix is the beginning of another chunk; what follows leads
            back. Of right ones alone a network learns that whatever was begun is right.
        auxiliary: questions about images that each batch learns beside its actions.
        questions: those that recordings of a simulator bring with them (``questions.py``).
        optimizer: ``muon`` for the blocks' matrices with AdamW for the rest, or ``adamw`` alone.
        validation_episodes: held out of each source, the last ones by name.
        patience: the training ends, too, after this many validations in a row without a smaller
            ``action_error`` (mean of the sources), and the checkpoint is the one that had the
            smallest; None trains to the end, and the checkpoint is the last.
    """

    mixture: Annotated[tuple[Source, ...], Field(min_length=1)]
    out: Path | None = None
    start_from: Path | None = None
    backbone: str | None = None
    expert: ExpertConfig = PUBLISHED_EXPERT
    channel_layout: ChannelLayout = "native"
    seed: NonNegativeInt = 0
    device: Literal["cpu", "cuda"] | None = None
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    backbone_weights: Literal["float32", "bfloat16"] = "float32"
    recompute: bool = False
    ema: Annotated[float, Field(gt=0.0, lt=1.0)] | None = None

    compile: bool | None = None
    workers: PositiveInt = 2

    prompt: PromptForm | None = None
    view: tuple[PositiveInt, PositiveInt] | None = None
    actions: Counting | None = None
    full_sequence: PositiveInt | None = None
    images: bool = True
    frozen: tuple[Literal["vision", "language", "expert"], ...] = ()
    adapters: Adapters | None = None
    max_steps: PositiveInt
    max_minutes: PositiveFloat | None = None
    batches: PositiveInt = 1
    observations: PositiveInt
    instructions: PositiveInt
    draws: PositiveInt
    tau: TauDistribution
    prefix_steps: NonNegativeInt = 0
    prefix_detour: float = Field(default=0.0, ge=0.0, le=1.0)
    grounding: GroundingRecipe = GroundingRecipe()
    auxiliary: AuxiliaryRecipe | None = None
    questions: QuestionRecipe = QuestionRecipe()

    optimizer: Method = "muon"
    learning_rates: LearningRates
    warmup_steps: PositiveInt
    final_lr_fraction: float = Field(default=0.02, ge=0.0, le=1.0)
    weight_decay: NonNegativeFloat = 0.01
    betas: tuple[float, float] = (0.9, 0.95)
    gradient_clip: PositiveFloat = 1.0

    validation_episodes: PositiveInt
    validation_steps: PositiveInt = 200
    """Observations of the held-out episodes that are validated on."""
    validate_every_minutes: PositiveFloat = 5.0
    patience: PositiveInt | None = None
    save_every_minutes: PositiveFloat = 5.0

    @model_validator(mode="after")
    def _each_folder_once(self) -> "Recipe":
        folders = [source.episodes for source in self.mixture]
        for folder in folders:
            if folders.count(folder) > 1:
                raise WrongKey(
                    "mixture", f"{folder} stands there twice; give it more weight instead"
                )
        return self

    @model_validator(mode="after")
    def _one_start(self) -> "Recipe":
        if self.start_from and self.backbone:
            raise WrongKey("start_from", "brings its own backbone; remove one of the two keys")
        if self.start_from and self.channel_layout != "native":
            raise WrongKey("start_from", "brings its own channel_layout; remove one of them")
        return self

    @model_validator(mode="after")
    def _something_learns(self) -> "Recipe":
        if {"vision", "language", "expert"} <= set(self.frozen):
            raise WrongKey("frozen", "nothing is left to train")
        if {"vision", "language"} <= set(self.frozen) and self.adapters:
            raise WrongKey("adapters", "vision and language, which have them, are frozen")
        if {"vision", "language"} <= set(self.frozen) and self.grounding.steps:
            raise WrongKey(
                ("grounding", "steps"), "these train vision and language, which are frozen"
            )
        if not self.images and self.grounding.enabled:
            raise WrongKey("grounding", "without images there is nothing to point at; weight: 0")
        if self.auxiliary and {"vision", "language"} <= set(self.frozen):
            raise WrongKey("auxiliary", "it trains vision and language, which are frozen")
        if self.questions.each_batch and {"vision", "language"} <= set(self.frozen):
            raise WrongKey("questions", "they train vision and language, which are frozen")
        if self.questions.each_batch and not self.images:
            raise WrongKey("questions", "without images there is nothing to ask; each_batch: 0")
        return self

    @model_validator(mode="after")
    def _narrow_weights_stay(self) -> "Recipe":
        still = {"vision", "language"} <= set(self.frozen) or self.adapters is not None
        if self.backbone_weights != "float32" and not still:
            raise WrongKey(
                "backbone_weights",
                "small steps are lost in 16 bits; float32, or adapters, or frozen",
            )
        return self

    @model_validator(mode="after")
    def _sequences_fit(self) -> "Recipe":
        if self.full_sequence is None:
            return self
        if self.prefix_steps:
            raise WrongKey("prefix_steps", "a full_sequence continues nothing; remove one of them")
        if self.grounding.enabled:
            raise WrongKey("grounding", "a full_sequence has one sentence alone; weight: 0")
        if self.actions is None or self.actions.quantiles != "all_steps":
            raise WrongKey(
                "actions", "with full_sequence one pair of quantiles is for quantiles: all_steps"
            )
        return self


def load_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Raises:
        YamlFileError: it cannot be read, or keys are unknown, missing or out of range.
    """
    return read_yaml(path).check(Recipe, RECIPE)


def describe_recipe(recipe: Recipe, origin: str) -> list[str]:
    """A recipe in lines for a person.

    Raises:
        YamlFileError: a robot that it names is unusable.
    """
    lines = [f"{origin}: a valid training recipe", ""]
    for source in recipe.mixture:
        robot = load_embodiment(source.embodiment)
        try:
            count = len(find_episodes(source.episodes))
        except QwenVlaError:  # they may be recorded later
            count = 0
        lines.append(
            f"learns   {robot.name:<14} {source.episodes}, {count} episodes there, "
            f"weight {source.weight:g}"
        )
    minutes = f" or {recipe.max_minutes:g} minutes" if recipe.max_minutes else ""
    if recipe.patience:
        minutes += f", or {recipe.patience} validations in a row without a smaller error"
    start = recipe.start_from or recipe.backbone or "random weights"
    return [
        *lines,
        f"holds    {recipe.validation_episodes} episodes of each out, to validate on",
        f"starts   from {start}",
        f"ends     after {recipe.max_steps} steps{minutes}",
        f"writes   {recipe.out or 'where --out says'}",
    ]
