"""One stage of training (paper section 2.4) from a recipe.

A save holds ``checkpoint/`` (what a policy loads), ``state/`` (what ``--resume`` needs: float32
weights, optimiser moments, progress), ``curve.csv`` and ``curve.png``, all of one step; see
``saves.py``. With ``patience`` the checkpoint is the best one that was validated, the rest of the
save the newest. Every step draws its samples and noise from (seed, step) alone, so a resumed run
repeats what it would have done; bit for bit on one core, but for rounding on several.
"""

import math
import resource
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from tqdm import tqdm

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.errors import QwenVlaError

from ..checkpoint import TRAINING, from_pretrained, load_tokenizer, save_pretrained
from ..config import QwenVlaConfig, qwen_vla_tiny
from ..hub import find_checkpoint
from ..model import QwenVla
from ..origin import code_version, machine
from ..pretrained_backbone import from_qwen
from ..runtime import compile_passes
from ..tokenizer import IMAGE, PAD, train_tokenizer
from ..weights import load_weights, read_json
from .adapters import add_adapters, merged
from .auxiliary import AuxiliaryExamples
from .dataset import Batch
from .grounding import Forecast, answer_loss, without_answers
from .mixture import Mixture, small_views
from .optimizer import ADAPTER, Optimizer
from .passes import Passes
from .prefetch import prefetched
from .progress import ProgressBar
from .recipe import Recipe
from .saves import CHECKPOINT, CURVE, LATEST, STATE, Progress, check_save, new_save
from .validation import read_curve, row_text, since_best, validate, write_curve

MODEL, OPTIMIZER = "model.safetensors", "optimizer.safetensors"
"""File names in a saved state. The model's is the same as in a checkpoint."""
MEASURED_STEPS = 5
"""Steps after which it is said how long all will take; the first one, which compiles and fills
caches, is not counted."""


class Trainer:
    """One run: the model, its data and its optimiser."""

    def __init__(self, recipe: Recipe):
        self.recipe = recipe
        self.device = recipe.device or ("cuda" if torch.cuda.is_available() else "cpu")
        if self.device == "cpu":
            torch.set_num_threads(1)  # a second one goes to another pass, see passes.py
        torch.manual_seed(recipe.seed)
        self.continues: dict = {}
        if recipe.start_from:
            start = find_checkpoint(recipe.start_from, weights=True)
            if (start / TRAINING).is_file():
                self.continues = {"continues": read_json(start / TRAINING)}
            tokenizer = load_tokenizer(start)
            model = from_pretrained(start)
        elif recipe.backbone:
            horizon = max(load_embodiment(s.embodiment).horizon for s in recipe.mixture)
            model, tokenizer = from_qwen(
                recipe.backbone, recipe.expert, horizon, recipe.channel_layout
            )
        else:
            tokenizer = train_tokenizer()
            image_token = tokenizer.convert_tokens_to_ids(IMAGE)
            model = QwenVla(qwen_vla_tiny(len(tokenizer), image_token, recipe.channel_layout))
        changes = {"prefix_steps": recipe.prefix_steps}
        if recipe.prompt:
            changes["prompt"] = recipe.prompt
        # Not model_copy, which checks nothing: a prefix as long as the chunk is refused here.
        model.config = QwenVlaConfig.model_validate(model.config.model_dump() | changes)
        backbone = model.config.backbone_config()
        if (recipe.grounding.enabled or recipe.auxiliary) and not backbone.tie_word_embeddings:
            raise QwenVlaError(
                "grounding, auxiliary: this backbone has an output layer of its own, which no "
                "checkpoint of a policy holds; grounding: {steps: 0, weight: 0}, and no "
                "auxiliary, goes without"
            )
        if recipe.adapters:
            add_adapters(model.backbone, recipe.frozen, recipe.adapters.rank)
        self.model = model.to(self.device).train()
        self.forecast = Forecast(backbone.text_config.hidden_size).to(self.device)
        if recipe.start_from and (state := recipe.start_from.parent / STATE).exists():
            load_weights(self.forecast, state, name_of=_of_forecast)
        self.trained = nn.ModuleDict({"model": self.model, "forecast": self.forecast})
        self.tokenizer, self._pad = tokenizer, tokenizer.convert_tokens_to_ids(PAD)
        self.mixture = Mixture(recipe, model.config, tokenizer)
        robots = [data.processor.embodiment for data in self.mixture.learned.values()]
        for line in small_views(model.config, robots if recipe.images else ()):
            tqdm.write(f"warning: {line}")
        self._auxiliary = recipe.auxiliary and AuxiliaryExamples(
            recipe.auxiliary, model.config, tokenizer
        )
        self.optimizer = Optimizer(
            self._learning(), recipe.weight_decay, recipe.betas, recipe.optimizer
        )
        compiles = recipe.compile or (recipe.compile is None and self.device == "cuda")
        self._passes = Passes(self.trained, recipe.batches, self.device == "cpu" and not compiles)
        if compiles:
            torch.compiler.reset()  # of the stage before: other weights learned there
            compile_passes(self.model, dynamic=True)
        self.step, self.elapsed_s = 0, 0.0
        self.curve: list[dict[str, float]] = []

    def _learning(self) -> Iterator[tuple[str, nn.Parameter, float]]:
        """Freeze what stays; the rest, with the rate of the part it belongs to."""
        rates = self.recipe.learning_rates
        parts = {
            "model.backbone.visual.": "vision",
            "model.backbone.language_model.": "language",
            "forecast.": "language",
        }
        for name, parameter in self.trained.named_parameters():
            part = next(
                (part for start, part in parts.items() if name.startswith(start)), "expert"
            )
            kept = self.recipe.adapters and name.startswith("model.backbone.")
            if part in self.recipe.frozen or (kept and ADAPTER not in name):
                parameter.requires_grad_(False)
            else:
                yield name, parameter, getattr(rates, part)

    @property
    def progress(self) -> float:
        """Fraction of the run that is done, by steps or minutes."""
        return fraction_done(self.recipe, Progress(step=self.step, elapsed_s=self.elapsed_s))

    @property
    def _samples(self) -> int:
        return self.step * self.recipe.batches * self.recipe.observations

    def _batch(self, number: int, source: str, indices: list[int]) -> Batch:
        """The batch of that number: some observations of a source."""
        recipe = self.recipe
        batch = self.mixture.learned[source].batch(
            indices,
            np.random.default_rng((recipe.seed, number)),
            recipe.instructions,
            question=number // recipe.batches < recipe.grounding.steps,
            answers=recipe.grounding.enabled,
        )
        if self._auxiliary is None:
            return batch
        rng = np.random.default_rng((recipe.seed, number, 1))
        return replace(batch, auxiliary=self._auxiliary.batch(rng))

    def batches(self) -> Iterator[tuple[Batch, ...]]:
        """Those of each step from here on."""
        size = self.recipe.batches
        first = self.step * size
        calls = ((n, *choice) for n, choice in enumerate(self.mixture.batches(first), first))
        ahead = prefetched(self._batch, calls, self.recipe.workers)
        return zip(*[ahead] * size, strict=True)

    def learn(self, batches: tuple[Batch, ...]) -> float:
        """One optimiser step; returns the loss."""
        recipe = self.recipe
        since = self.step
        if self.step >= recipe.grounding.steps:
            since -= recipe.grounding.steps
        tokens = [batch.inputs.input_ids_PL.numel() for batch in batches]
        loss = self._passes.backward(batches, tokens, self._loss_of)
        torch.nn.utils.clip_grad_norm_(self.trained.parameters(), recipe.gradient_clip)
        self.optimizer.step(
            min(1.0, (since + 1) / recipe.warmup_steps)
            * _cosine(self.progress, recipe.final_lr_fraction)
        )
        self.step += 1
        return loss

    def _loss_of(self, trained: nn.ModuleDict, n: int, batch: Batch) -> torch.Tensor:
        """Random numbers of a network for the n-th batch of this step."""
        with torch.autocast(
            self.device, torch.bfloat16, enabled=self.recipe.precision == "bfloat16"
        ):
            return self._losses(trained["model"], trained["forecast"], n, batch)

    def _losses(self, model: QwenVla, forecast: Forecast, n: int, batch: Batch) -> torch.Tensor:
        recipe, inputs = self.recipe, batch.inputs.to(self.device)
        hidden_PLE = model.read(inputs)
        found = 0.0
        if recipe.grounding.enabled:
            found = answer_loss(model, inputs, hidden_PLE, self._pad)
            boxes_P4 = batch.boxes_P4.to(self.device)
            found += forecast.loss(hidden_PLE, inputs.mask_PL, boxes_P4)
            inputs, hidden_PLE = without_answers(inputs, hidden_PLE)
        if self.step < recipe.grounding.steps:
            return found
        beside = recipe.grounding.weight * found
        if batch.auxiliary is not None:
            asked = batch.auxiliary.to(self.device)
            said = answer_loss(model, asked, model.read(asked), self._pad)
            beside = beside + recipe.auxiliary.weight * said
        number = self.step * recipe.batches + n
        generator = torch.Generator(self.device)
        generator.manual_seed(recipe.seed * 1_000_000_007 + number)
        return beside + model.loss(
            inputs,
            batch.actions_PHK.to(self.device),
            batch.mask_PHK.to(self.device),
            draws=recipe.draws,
            tau=recipe.tau,
            generator=generator,
            prefix_detour=recipe.prefix_detour,
            hidden_PLE=hidden_PLE,
        )

    def run(self, resume: bool) -> Path:
        """Train to the end, with a progress bar; returns the checkpoint folder.

        The caller is the only writer of the run's folder (``saves.only_writer``).
        """
        recipe = self.recipe
        if resume:
            self.load_state()
            tqdm.write(f"{recipe.out}: going on from step {self.step}")
        batches = self.batches()
        saved_s = validated_s = self.elapsed_s
        losses: list[float] = []
        took_s: list[float] = []
        with ProgressBar(self.progress) as bar:
            while self.progress < 1.0 and not stopped_improving(recipe, self.curve):
                begin = time.monotonic()
                losses.append(self.learn(next(batches)))
                took_s.append(time.monotonic() - begin)
                self.elapsed_s += took_s[-1]
                bar.show(self.progress, self.step, float(np.mean(losses[-100:])))
                if len(took_s) == MEASURED_STEPS and self.progress < 1.0:
                    tqdm.write(self._estimate(took_s[1:]))
                validated = self.elapsed_s - validated_s > 60 * recipe.validate_every_minutes
                if validated:
                    self._validate(float(np.mean(losses)))
                    validated_s, losses = self.elapsed_s, losses[-100:]
                due = self.elapsed_s - saved_s > 60 * recipe.save_every_minutes
                if due or (validated and recipe.patience):  # what was the best must be there
                    self.save()
                    saved_s = self.elapsed_s
        if self.progress >= 1.0:
            self._validate(float(np.mean(losses or [math.nan])))
        self.save()
        if recipe.patience:
            best = self.curve[-1 - since_best(self.curve)]
            tqdm.write(f"the checkpoint is the best one, of step {best['step']:.0f}")
        return recipe.out / CHECKPOINT

    def _estimate(self, took_s: Sequence[float]) -> str:
        """In words, how long the rest will take and what memory it needs, from some steps."""
        recipe, step_s = self.recipe, float(np.median(took_s))
        steps = recipe.max_steps - self.step
        if recipe.max_minutes:
            steps = min(steps, math.ceil((60 * recipe.max_minutes - self.elapsed_s) / step_s))
        passes = steps * recipe.batches * recipe.observations / len(self.mixture)
        if self.device == "cuda":
            used, what = torch.cuda.max_memory_allocated(), "GPU memory"
        else:  # in kB
            used, what = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, "memory"
        return (
            f"measured on {len(took_s)} steps: {step_s:.2g} s each, so at most "
            f"{steps * step_s / 60:.1f} minutes for {steps} steps, {passes:.2g} times through the "
            f"{len(self.mixture)} observations, beside validations and saves; {used / 1e9:.2g} GB "
            f"of {what}"
        )

    def _validate(self, loss: float) -> None:
        row = {"minutes": self.elapsed_s / 60, "step": self.step, "loss": loss}
        self.model.eval()
        for source, data in self.mixture.held_out.items():
            steps = np.linspace(0, len(data) - 1, self.recipe.validation_steps).astype(int)
            boxes = self.recipe.grounding.enabled
            with torch.compiler.set_stance("force_eager"):  # too short to be compiled for
                result = validate(self.model, data, np.unique(steps).tolist(), boxes=boxes)
            row |= {f"{key}/{source}": value for key, value in result.items()}
        self.model.train()
        self.curve.append(row)
        tqdm.write(row_text(row))

    def save(self) -> None:
        """Write the checkpoint a policy loads, what resuming needs, and the curve.

        Raises:
            QwenVlaError: nothing can be written; the latest save stays the one before.
        """
        recipe = self.recipe
        training = {
            "recipe": recipe.model_dump(mode="json"),
            "steps": self.step,
            "minutes": self.elapsed_s / 60,
            "samples_per_second": self._samples / max(self.elapsed_s, 1e-3),
            "machine": machine(self.device),
            "code": code_version(),
            "observations_in_data": len(self.mixture),
            **self.continues,
        }
        progress = Progress(step=self.step, elapsed_s=self.elapsed_s)
        with new_save(recipe.out, progress) as folder:
            if recipe.patience and since_best(self.curve):
                shutil.copytree(recipe.out / LATEST / CHECKPOINT, folder / CHECKPOINT)
            else:
                known = self.mixture.embodiments()
                with merged(self.model):
                    save_pretrained(
                        folder / CHECKPOINT, self.model, self.tokenizer, known, training
                    )
            save_file(self.trained.state_dict(), folder / STATE / MODEL)
            save_file(self.optimizer.state(), folder / STATE / OPTIMIZER)
            if self.curve:
                write_curve(folder / CURVE, self.curve)

    def load_state(self) -> None:
        """Continue from the latest save.

        Raises:
            CheckpointError: a file of it is damaged, or of another network; it is named.
        """
        progress, folder = check_save(self.recipe.out), self.recipe.out / LATEST
        load_weights(self.trained, folder / STATE)
        self.optimizer.load(load_file(folder / STATE / OPTIMIZER, device=self.device))
        self.curve = read_curve(folder / CURVE)
        self.step, self.elapsed_s = progress.step, progress.elapsed_s


def fraction_done(recipe: Recipe, progress: Progress) -> float:
    """How much of a run is done, by steps or minutes, at most 1."""
    by_time = progress.elapsed_s / 60 / (recipe.max_minutes or math.inf)
    return min(max(progress.step / recipe.max_steps, by_time), 1.0)


def stopped_improving(recipe: Recipe, curve: Sequence[dict[str, float]]) -> bool:
    """Whether a run ends because validation does not improve any more."""
    return recipe.patience is not None and since_best(curve) >= recipe.patience


def _of_forecast(key: str) -> str | None:
    """The name in a forecast of what a run's state calls ``key``; None for all but it."""
    return key.removeprefix("forecast.") if key.startswith("forecast.") else None


def _cosine(progress: float, floor: float) -> float:
    return floor + (1.0 - floor) * 0.5 * (1.0 + math.cos(math.pi * progress))
