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
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from tqdm import tqdm

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.errors import QwenVlaError

from ..checkpoint import from_pretrained, load_tokenizer, save_pretrained
from ..config import QwenVlaConfig, qwen_vla_tiny
from ..hub import TRAINING, find_checkpoint
from ..json_file import read_json
from ..model import Inputs, QwenVla
from ..origin import code_version, machine
from ..pretrained_backbone import from_qwen
from ..runtime import compile_passes
from ..tokenizer import IMAGE, PAD, train_tokenizer
from ..weights import load_weights
from .adapters import add_adapters, merged
from .auxiliary import AuxiliaryExamples
from .average import Average
from .dataset import Batch, EpisodeDataset
from .grounding import Forecast, answer_loss, answer_places, without_answers
from .mixture import Mixture, lacking, small_views
from .optimizer import ADAPTER, Optimizer
from .parallel import Processes, Trained, part, whole
from .passes import Passes
from .prefetch import prefetched
from .progress import ProgressBar
from .recipe import Recipe
from .saves import CHECKPOINT, CURVE, LATEST, STATE, Progress, check_save, new_save, next_save
from .validation import read_curve, row_text, since_best, validate, write_curve

MODEL, OPTIMIZER, AVERAGE = "model.safetensors", "optimizer.safetensors", "average.safetensors"
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
        self._processes = Processes(self.device)
        self._say = tqdm.write if self._processes.first else lambda line: None
        torch.manual_seed(recipe.seed)
        self.continues: dict = {}
        if recipe.start_from:
            start = find_checkpoint(recipe.start_from, weights=True)
            if (start / TRAINING).is_file():
                self.continues = {"continues": read_json(start / TRAINING)}
            tokenizer = load_tokenizer(start)
            model = from_pretrained(start, self.device, recipe.backbone_weights)
            model.expert.float()
        elif recipe.backbone:
            horizon = max(load_embodiment(s.embodiment).horizon for s in recipe.mixture)
            model, tokenizer = from_qwen(
                recipe.backbone,
                recipe.expert,
                horizon,
                recipe.channel_layout,
                self.device,
                recipe.backbone_weights,
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
        speaks = recipe.grounding.enabled or recipe.auxiliary or recipe.questions.each_batch
        if speaks and not backbone.tie_word_embeddings:
            raise QwenVlaError(
                "grounding: this backbone has an output layer of its own, which no "
                "checkpoint of a policy holds; grounding: {steps: 0, weight: 0}, and no "
                "auxiliary, goes without"
            )
        if recipe.adapters:
            add_adapters(model.backbone, recipe.frozen, recipe.adapters.rank)
        if recipe.recompute:
            model.expert.recompute = model.backbone.recompute = True
            model.backbone.language_model.gradient_checkpointing_enable({"use_reentrant": False})
        self.model = model.to(self.device).train()
        self.forecast = Forecast(backbone.text_config.hidden_size).to(self.device)
        if recipe.start_from and (state := recipe.start_from.parent / STATE).exists():
            load_weights(self.forecast, state, name_of=_of_forecast)
        self.trained = Trained({"model": self.model, "forecast": self.forecast})
        self.tokenizer, self._pad = tokenizer, tokenizer.convert_tokens_to_ids(PAD)
        self.mixture = Mixture(recipe, model.config, tokenizer)
        robots = [data.processor.embodiment for data in self.mixture.learned.values()]
        small = small_views(model.config, robots if recipe.images else ())
        for line in [*small, *lacking(self.mixture)]:
            self._say(f"warning: {line}")
        self._auxiliary = recipe.auxiliary and AuxiliaryExamples(
            recipe.auxiliary, model.config, tokenizer
        )
        several = self._processes.count > 1
        if several and recipe.optimizer != "adamw":
            raise QwenVlaError(
                "optimizer: muon needs whole matrices; several processes take optimizer: adamw"
            )
        if several and (recipe.adapters or recipe.backbone_weights != "float32"):
            raise QwenVlaError(
                "adapters, backbone_weights: these are for one process; several share a network "
                "that learns as a whole"
            )
        learning = list(self._learning())  # freezes the rest
        self._processes.share(self.trained, recipe.batches)
        if several:
            of_name = dict(self.trained.named_parameters())
            learning = [(name, of_name[name], rate) for name, _, rate in learning]
        self.optimizer = Optimizer(learning, recipe.weight_decay, recipe.betas, recipe.optimizer)
        named = [(name, parameter) for name, parameter, _ in learning]
        self.average = Average(named, recipe.ema) if recipe.ema else None
        compiles = recipe.compile or (recipe.compile is None and self.device == "cuda")
        beside = self.device == "cpu" and not compiles and not several
        self._passes = Passes(self.trained, recipe.batches, beside)
        if compiles:
            torch.compiler.reset()  # of the stage before: other weights learned there
            compile_passes(self.model, dynamic=True)
        self.step, self.elapsed_s, self._tokens = 0, 0.0, 0
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
        if recipe.questions.each_batch and number // recipe.batches >= recipe.grounding.steps:
            rng = np.random.default_rng((recipe.seed, number, 2))
            asked = self.mixture.learned[source].questions(rng, recipe.questions.each_batch)
            batch = replace(batch, questions=asked)
        if self._auxiliary is None:
            return batch
        rng = np.random.default_rng((recipe.seed, number, 1))
        return replace(batch, auxiliary=self._auxiliary.batch(rng))

    def batches(self) -> Iterator[tuple[Batch, ...]]:
        """Those of each step from here on, as far as they are this process's."""
        size, processes = self.recipe.batches, self._processes
        first = self.step * size
        calls = (
            (n, *choice)
            for n, choice in enumerate(self.mixture.batches(first), first)
            if n % size % processes.count == processes.rank
        )
        ahead = prefetched(self._batch, calls, self.recipe.workers)
        return zip(*[ahead] * (size // processes.count), strict=True)

    def learn(self, batches: tuple[Batch, ...]) -> float:
        """One optimiser step; returns the loss."""
        recipe = self.recipe
        since = self.step
        if self.step >= recipe.grounding.steps:
            since -= recipe.grounding.steps
        tokens = [batch.inputs.input_ids_PL.numel() for batch in batches]
        self._tokens += sum(tokens) * self._processes.count
        loss = self._passes.backward(batches, tokens, self._loss_of)
        loss = self._processes.total(loss) / self._processes.count
        torch.nn.utils.clip_grad_norm_(self.trained.parameters(), recipe.gradient_clip)
        self.optimizer.step(
            min(1.0, (since + 1) / recipe.warmup_steps)
            * _cosine(self.progress, recipe.final_lr_fraction)
        )
        if self.average is not None:
            self.average.update()
        self.step += 1
        return loss

    def _loss_of(self, trained: nn.ModuleDict, n: int, batch: Batch) -> torch.Tensor:
        """Random numbers of a network for the n-th batch of this step."""
        with torch.autocast(
            self.device, torch.bfloat16, enabled=self.recipe.precision == "bfloat16"
        ):
            return trained(self._losses, n, batch)

    def _losses(self, model: QwenVla, forecast: Forecast, n: int, batch: Batch) -> torch.Tensor:
        recipe, inputs = self.recipe, batch.inputs.to(self.device)
        # Whatever has a size that depends on values is found on the host, before the device is
        # asked for anything: it is not waited for within a step.
        places = self._places(batch.inputs)
        hidden_PLE = model.read(inputs)
        found = 0.0
        if recipe.grounding.enabled:
            found = answer_loss(model, inputs, hidden_PLE, self._pad, places)
            found += forecast.loss(hidden_PLE, inputs.mask_PL, batch.boxes_P4)
            mask_PL = batch.inputs.mask_PL
            longest = 0 if mask_PL is None else int(mask_PL.sum(1).max())
            inputs, hidden_PLE = without_answers(inputs, hidden_PLE, longest)
        if self.step < recipe.grounding.steps:
            return found
        beside = recipe.grounding.weight * found
        if batch.auxiliary is not None:
            asked = batch.auxiliary.to(self.device)
            places = self._places(batch.auxiliary)
            said = answer_loss(model, asked, model.read(asked), self._pad, places)
            beside = beside + recipe.auxiliary.weight * said
        if batch.questions is not None:
            asked, places = batch.questions.inputs, self._places(batch.questions.inputs)
            asked = asked.to(self.device)
            said = answer_loss(model, asked, model.read(asked), self._pad, places, each=True)
            beside = beside + recipe.questions.weight * said
        processes = self._processes
        number = self.step * recipe.batches + n * processes.count + processes.rank
        generator = torch.Generator(self.device)
        generator.manual_seed(recipe.seed * 1_000_000_007 + number)
        return beside + model.loss(
            inputs,
            batch.actions_PHK.to(self.device, non_blocking=True),
            batch.mask_PHK.to(self.device, non_blocking=True),
            draws=recipe.draws,
            tau=recipe.tau,
            generator=generator,
            prefix_detour=recipe.prefix_detour,
            hidden_PLE=hidden_PLE,
        )

    def _places(self, inputs: Inputs) -> torch.Tensor | None:
        """``answer_places`` on the device, of inputs that are on the host."""
        return (
            None
            if inputs.mask_PL is None
            else answer_places(inputs, self._pad).to(self.device, non_blocking=True)
        )

    def run(self, resume: bool) -> Path:
        """Train to the end, with a progress bar; returns the checkpoint folder.

        The caller is the only writer of the run's folder (``saves.only_writer``).
        """
        recipe = self.recipe
        if resume:
            self.load_state()
            self._say(f"{recipe.out}: going on from step {self.step}")
        batches = self.batches()
        saved_s = validated_s = self.elapsed_s
        losses: list[float] = []
        took_s: list[float] = []
        with ProgressBar(self.progress) as bar:
            while self.progress < 1.0 and not stopped_improving(recipe, self.curve):
                begin = time.monotonic()
                losses.append(self.learn(next(batches)))
                took_s.append(self._processes.same(time.monotonic() - begin))
                self.elapsed_s += took_s[-1]
                bar.show(self.progress, self.step, float(np.mean(losses[-100:])))
                if len(took_s) == MEASURED_STEPS and self.progress < 1.0:
                    self._say(self._estimate(took_s[1:]))
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
            self._say(f"the checkpoint is the best one, of step {best['step']:.0f}")
        return recipe.out / CHECKPOINT

    def rehearse(self) -> str:
        """Some steps, of which nothing is kept, and in words what the whole would take."""
        took_s = []
        for batches in islice(self.batches(), MEASURED_STEPS):
            begin = time.monotonic()
            self.learn(batches)
            took_s.append(self._processes.same(time.monotonic() - begin))
        return self._estimate(took_s[1:] or took_s)

    def _estimate(self, took_s: Sequence[float]) -> str:
        """In words, how long the rest will take and what memory it needs, from some steps."""
        recipe, step_s = self.recipe, float(np.median(took_s))
        steps = recipe.max_steps - self.step
        if recipe.max_minutes:
            steps = min(steps, math.ceil((60 * recipe.max_minutes - self.elapsed_s) / step_s))
        tokens_s = self._tokens / self.step / step_s
        passes = steps * recipe.batches * recipe.observations / len(self.mixture)
        if self.device == "cuda":
            used, what = torch.cuda.max_memory_allocated(), "GPU memory"
        else:  # in kB
            used, what = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, "memory"
        return (
            f"measured on {len(took_s)} steps: {step_s:.2g} s each, so at most "
            f"{steps * step_s / 60:.1f} minutes for {steps} steps, {passes:.2g} times through the "
            f"{len(self.mixture)} observations, beside validations and saves; {tokens_s:,.0f} "
            f"prompt tokens a second, {used / 1e9:.2g} GB of {what}"
        )

    def _validate(self, loss: float) -> None:
        row = {"minutes": self.elapsed_s / 60, "step": self.step, "loss": loss}
        self.model.eval()
        for source, data in self.mixture.held_out.items():
            steps = np.linspace(0, len(data) - 1, self.recipe.validation_steps).astype(int)
            boxes = self.recipe.grounding.enabled
            with torch.compiler.set_stance("force_eager"):  # too short to be compiled for
                result = self._validated(data, np.unique(steps).tolist(), boxes)
            row |= {f"{key}/{source}": value for key, value in result.items()}
        self.model.train()
        self.curve.append(row)
        self._say(row_text(row))

    def _validated(self, data: EpisodeDataset, steps: list[int], boxes: bool) -> dict[str, float]:
        with self._averaged():
            return self.trained(lambda model, _: validate(model, data, steps, boxes=boxes))

    def _averaged(self) -> AbstractContextManager:
        """Within the block the network has the weights that a checkpoint gets."""
        return nullcontext() if self.average is None else self.average.in_place()

    def save(self) -> None:
        """Write the checkpoint a policy loads, what resuming needs, and the curve.

        Raises:
            QwenVlaError: nothing can be written; the latest save stays the one before.
        """
        recipe, processes = self.recipe, self._processes
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
        weights = self._gathered() if processes.count > 1 else None
        if not processes.first:
            processes.wait()  # until the folder is there
            self._save_state(next_save(recipe.out))
            processes.wait()
            return
        with new_save(recipe.out, progress) as folder:
            processes.wait()
            self._save_state(folder)
            if recipe.patience and since_best(self.curve):
                shutil.copytree(recipe.out / LATEST / CHECKPOINT, folder / CHECKPOINT)
            else:
                known = self.mixture.embodiments()
                with self._averaged(), merged(self.model):
                    save_pretrained(
                        folder / CHECKPOINT,
                        self.model,
                        self.tokenizer,
                        known,
                        training,
                        views=self.mixture.views(),
                        tensors=weights,
                    )
            if self.curve:
                write_curve(folder / CURVE, self.curve)
            processes.wait()

    def _gathered(self) -> dict[str, torch.Tensor]:
        with self._averaged():
            return {name: whole(t).cpu() for name, t in self.model.state_dict().items()}

    def _save_state(self, folder: Path) -> None:
        """What resuming needs: of each process its part."""
        parts = {MODEL: self.trained.state_dict(), OPTIMIZER: self.optimizer.state()}
        if self.average is not None:
            parts[AVERAGE] = self.average.state()
        for name, tensors in parts.items():
            own = {key: part(tensor).contiguous() for key, tensor in tensors.items()}
            save_file(own, folder / STATE / self._processes.file(name))

    def load_state(self) -> None:
        """Continue from the latest save.

        Raises:
            CheckpointError: a file of it is damaged, or of another network; it is named.
        """
        progress, folder = check_save(self.recipe.out), self.recipe.out / LATEST
        if self._processes.count == 1:
            load_weights(self.trained, folder / STATE)
        else:
            saved = self._state(MODEL)
            with torch.no_grad():
                for name, tensor in self.trained.state_dict().items():
                    part(tensor).copy_(saved[name])
        self.optimizer.load(self._state(OPTIMIZER))
        if self.average is not None:
            self.average.load(self._state(AVERAGE))
        self.curve = read_curve(folder / CURVE)
        self.step, self.elapsed_s = progress.step, progress.elapsed_s

    def _state(self, name: str) -> dict[str, torch.Tensor]:
        file = self.recipe.out / LATEST / STATE / self._processes.file(name)
        if not file.is_file():
            raise QwenVlaError(
                f"{file}: missing; the run was saved by another number of processes, or without "
                "what this recipe asks for: resume it as it began"
            )
        return load_file(file, device=self.device)


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
