"""Fine-tuning of an encoder: recipe and Dataset to a trained `EncoderModel` with its learning curve.

The training loop is `trainer.py`; what `auto` means is `choices.py`. One seed on one machine gives one model, also if
the run was killed and resumed from a checkpoint.
"""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import EarlyStoppingCallback, PrinterCallback, TrainingArguments

from copydesk.data.dataset import Dataset, Part
from copydesk.errors import CopydeskError, Terminated
from copydesk.files import writing
from copydesk.models import distributed
from copydesk.models.averaging import Averaging
from copydesk.models.batches import Indices
from copydesk.models.callbacks import Listener, Profile, step_of, stopping_on_sigterm
from copydesk.models.checkpoints import Work
from copydesk.models.choices import Choices, Facts, choose, measure_bf16_speedup
from copydesk.models.encoder import EncoderModel, PooledClassifier, quiet_transformers
from copydesk.models.frozen import Replay, fits
from copydesk.models.head_start import start_head
from copydesk.models.losses import balanced_weights, make_loss
from copydesk.models.reader import Reading
from copydesk.models.targets import training_targets
from copydesk.models.token_cache import encode_cached
from copydesk.models.trainer import BatchSampler, Encoded, EncoderTrainer, mixed_precision
from copydesk.models.weights import EncoderFiles, find_encoder
from copydesk.progress import Progress
from copydesk.recipe import Recipe
from copydesk.tasks import Targets, Task
from copydesk.types import Step

_FEWEST_EVALUATIONS, _MOST_EVALUATIONS = 4, 8
_VALIDATION_TEXTS = 2_000
"""Early stopping looks at this many validation texts at most; calibration uses them all."""
_KEPT_CHECKPOINTS = 3
_FROZEN_FILE = "frozen.f16"
_WORTH_A_WARNING = 0.01


@dataclass(frozen=True)
class Tuned:
    """A fine-tuned encoder, what was chosen and why, and its learning curve, one entry per update or evaluation."""

    model: EncoderModel
    training: dict[str, Any]
    history: list[Step]


def fine_tune(
    recipe: Recipe,
    dataset: Dataset,
    task: Task,
    *,
    progress: Progress,
    work: Work | None = None,
    trace: Path | None = None,
    on_step: Callable[[Step], None] | None = None,
) -> Tuned:
    """Fine-tune the recipe's encoder on the Dataset's training part.

    Checkpoints go to `work`, and a run that was begun there is continued; without it nothing outlives the run. `trace`
    is a file for the profile of a few steps. `on_step` is told every entry of the learning curve. Raises
    `EncoderError` if there is no encoder, `Terminated` after SIGTERM and a checkpoint.
    """
    files = find_encoder(recipe.model.encoder, recipe.model.revision)
    progress.say(f"encoder {recipe.model.encoder} from {files.origin}")
    with quiet_transformers(), _work_folder(work) as folder:
        model = _fresh_model(recipe, files.folder, task)
        model.network.to(distributed.device())
        targets = training_targets(dataset, task, soft=recipe.train.probabilities)
        train = _encoded(model, files, dataset, "train", targets.columns)
        hard = task.encode(dataset.part("validation")[1])
        validation = _encoded(model, files, dataset, "validation", hard).head(_VALIDATION_TEXTS)
        cut = _share_cut(model, train, progress)
        choices = _choices(recipe, model, train, dataset, folder)
        for key, value in choices.values().items():
            progress.say(f"  {key} = {value} ({choices.reasons[key]})")
        freeze_lower_layers(model.network, choices.frozen_layers)
        heads, balanced = targets.heads, recipe.train.class_weights == "balanced"
        weights = balanced_weights(heads, train.targets) if balanced else None
        model.network.loss = make_loss(heads, choices.loss, weights)
        start_head(model, train.tokens, train.targets, heads, np.random.default_rng(recipe.train.seed))
        run = _Run(recipe, task, model, train, validation, choices, folder, progress)
        history, weights_kept = run.train(trace, on_step)
    training = {
        "encoder": recipe.model.encoder,
        "origin": files.origin,
        "processor": _processor(),
        "processes": distributed.world_size(),
        "max_tokens": model.reader.reading.max_tokens,
        "cut_texts": cut,
        **targets.facts(),
        "weights": weights_kept,
        "choices": choices.values(),
        "reasons": choices.reasons,
    }
    return Tuned(model, training, history)


@contextmanager
def _work_folder(work: Work | None) -> Iterator[Work]:
    if work is not None:
        yield work
        return
    with tempfile.TemporaryDirectory(prefix="copydesk-") as folder:
        yield Work(Path(folder), kept=False)


def choices_for(recipe: Recipe, model: EncoderModel, lengths: Indices, texts: int) -> Choices:
    """Return what `auto` stands for, given the training rows' lengths in tokens and the number of texts."""
    device = _device()
    facts = Facts(
        tokens=int(lengths.sum()),
        texts=texts,
        labels=model.network.head.out_features,
        layers=len(_layers_of(model.network)),
        bf16_speedup=measure_bf16_speedup(device),
        device=device,
    )
    return choose(recipe.train, facts)


def freeze_lower_layers(network: PooledClassifier, count: int) -> None:
    """Keep the embeddings and the `count` lowest layers as they are; nothing is back-propagated through them."""
    embeddings = getattr(network.body, "embeddings", None) or network.body.get_input_embeddings()
    embeddings.requires_grad_(False)
    for layer in _layers_of(network)[:count]:
        layer.requires_grad_(False)


def _layers_of(network: PooledClassifier) -> Sequence[torch.nn.Module]:
    """Return the encoder's layers, lowest first: its longest list of alike modules (none: an empty list)."""
    lists = [module for module in network.body.modules() if isinstance(module, torch.nn.ModuleList)]
    alike = [list(module) for module in lists if len({type(child) for child in module}) == 1]
    return max(alike, key=len, default=[])


def _fresh_model(recipe: Recipe, folder: Path, task: Task) -> EncoderModel:
    """Load the pretrained encoder with a new head. Dropout is off: it costs time and gained nothing."""
    reading = Reading(recipe.model.max_tokens, recipe.model.long_texts)
    model = EncoderModel.pretrained(folder, outputs=task.outputs, reading=reading)
    for module in model.network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return model


def _encoded(model: EncoderModel, files: EncoderFiles, dataset: Dataset, part: Part, targets: Targets) -> Encoded:
    return Encoded(encode_cached(model, files.folder, dataset.part(part)[0]), targets)


def _share_cut(model: EncoderModel, train: Encoded, progress: Progress) -> float:
    """Return the share of training texts that reach the limit of tokens, and warn if it is not small."""
    limit, way = model.reader.reading.max_tokens, model.reader.reading.long_texts
    share = float(np.unique(train.tokens.owner[train.tokens.lengths >= limit]).size / max(train.tokens.texts, 1))
    if share > _WORTH_A_WARNING and way != "windows":
        read = "their beginning" if way == "head" else "their beginning and end"
        progress.warn(
            f"{share:.0%} of the training texts have more than {limit} tokens: only {read} is read. Raise "
            "model.max_tokens, or set model.long_texts (head, head_tail, windows)."
        )
    return share


def _choices(recipe: Recipe, model: EncoderModel, train: Encoded, dataset: Dataset, work: Work) -> Choices:
    """Return the choices of the run that is continued, else choose, and note them for whoever continues this one."""

    def decide() -> str:
        facts = work.facts()
        if facts is None:
            choices = choices_for(recipe, model, train.tokens.lengths, train.tokens.texts)
            facts = {"recipe": recipe.model_dump(mode="json"), "data": dataset.content_hash()}
            facts["choices"] = choices.to_json()
            work.begin(facts)
        return json.dumps(facts["choices"])

    return Choices(**json.loads(distributed.from_leader(decide)))


@dataclass
class _Run:
    """One training: everything it needs, and what it does."""

    recipe: Recipe
    task: Task
    model: EncoderModel
    part: Encoded
    validation: Encoded
    choices: Choices
    work: Work
    progress: Progress

    def train(self, trace: Path | None, on_step: Callable[[Step], None] | None) -> tuple[list[Step], str]:
        """Train the network in place; return the learning curve, and in words which weights are kept."""
        resumed = self._checkpoint()
        texts = self.part.tokens.texts
        with self.progress.track("fine-tuning", round(self.choices.epochs * texts), "texts") as advance:
            listener = Listener(
                texts,
                advance,
                metric=self.task.headline,
                checkpoint_minutes=self.recipe.train.checkpoint_minutes,
                on_step=on_step,
            )
            averaging = Averaging(self.model.network)
            trainer = self._trainer(listener, averaging, self._replay())
            if resumed is not None:
                averaging.load(resumed)
            if trace is not None:
                trainer.add_callback(Profile(trace, self.progress.say))
            try:
                with writing(self.work.root), stopping_on_sigterm(listener):
                    if resumed is None or not trainer.take_up(resumed):
                        trainer.train(resume_from_checkpoint=str(resumed) if resumed else None)
            except torch.cuda.OutOfMemoryError as error:
                raise CopydeskError(
                    f"The GPU's memory is too small for batches of {self.choices.batch_tokens} tokens. Halve them, "
                    "and accumulate two: --set train.batch_tokens=N --set train.accumulate=2."
                ) from error
        if listener.terminated:
            raise Terminated(
                "Terminated. A checkpoint was saved; the same command with --resume continues."
                if self.work.kept
                else "Terminated."
            )
        steps = (step_of(entry, texts) for entry in trainer.state.log_history)
        taken = self._chosen_weights(trainer, averaging)
        for name in ("forward", "_original_forward"):  # accelerate's, in the precision of training: no export of that
            vars(self.model.network).pop(name, None)
        return [step for step in steps if step is not None], taken

    def _chosen_weights(self, trainer: EncoderTrainer, averaging: Averaging) -> str:
        """Put the mean of the weights into the network, unless a checkpoint is better by more than chance.

        The best of several checkpoints looks better on few validation texts than it is, so the mean is taken up to a
        standard error below it (the rule of Breiman et al. 1984 for choosing trees).
        """
        mean = f"the mean over the last {averaging.updates} updates"
        averaging.swap()
        if not len(self.validation):
            return mean
        evaluations = [entry for entry in trainer.state.log_history if "eval_selection" in entry]
        best = max(evaluations, key=lambda entry: float(entry["eval_selection"]))
        quality, chance = trainer.measure()[0], _standard_error(best["eval_quality"], len(self.validation))
        checkpoint = f"the checkpoint after update {best['step']}"
        taken, left, others = mean, checkpoint, best["eval_quality"]
        if quality < best["eval_quality"] - chance:
            averaging.swap()
            taken, left, quality, others = checkpoint, mean, others, quality
        self.progress.say(f"kept {taken}: validation {self.task.headline} {quality:.4f}; {left} has {others:.4f}")
        return taken

    def _checkpoint(self) -> Path | None:
        """Return the newest whole checkpoint, and remove newer ones that are not."""
        found, damaged = self.work.last_whole()
        for folder in damaged:
            self.progress.warn(f"Checkpoint '{folder.name}' is not whole; it is left out.")
            if distributed.is_leader():
                shutil.rmtree(folder, ignore_errors=True)
        if distributed.from_leader(lambda: found.name if found else "") != (found.name if found else ""):
            raise CopydeskError(
                f"The processes that train together do not have the same checkpoints in '{self.work.root}'. Give them "
                "one folder that all see, or an address with --checkpoints."
            )
        if found is not None:
            self.progress.say(f"continuing from {found.name}")
        return found

    def _replay(self) -> Replay | None:
        """Return the frozen layers' outputs, computed once: worth it on a CPU if there are several epochs."""
        count, tokens = self.choices.frozen_layers, self.part.tokens
        network, layers = self.model.network, _layers_of(self.model.network)
        several = self.choices.epochs > 1 and distributed.world_size() == 1 and _device() == "cpu"
        if not (count and several and self._has_room_for_replay()):
            return None
        replay = Replay(network, layers[:count])
        with mixed_precision(self.choices.precision, _device()):
            replay.record(self.model, tokens, self.work.root / _FROZEN_FILE)
        return replay

    def _has_room_for_replay(self) -> bool:
        """Tell whether there was room when the run began: the recorded output is rounded, so it must not change."""
        facts = self.work.facts() or {}
        if "replay" not in facts:
            facts["replay"] = fits(self.part.tokens, self.model.network.head.in_features, self.work.root)
            self.work.begin(facts)
        return bool(facts["replay"])

    def _trainer(self, listener: Listener, averaging: Averaging, replay: Replay | None) -> EncoderTrainer:
        trainer = EncoderTrainer(
            self.model,
            self.task,
            self._arguments(),
            (self.part, self.validation),
            batch_tokens=self.choices.batch_tokens,
            listener=listener,
            averaging=averaging,
            work=self.work,
            replay=replay,
        )
        trainer.remove_callback(PrinterCallback)
        if len(self.validation) and self.recipe.train.early_stop:
            trainer.add_callback(EarlyStoppingCallback(early_stopping_patience=self.recipe.train.early_stop))
        return trainer

    def _arguments(self) -> TrainingArguments:
        choices, settings = self.choices, self.recipe.train
        batches = len(BatchSampler(self.part.tokens.lengths, choices.batch_tokens, settings.seed))
        updates = max(round(math.ceil(batches / settings.accumulate) * choices.epochs), 1)
        evaluations = min(max(round(choices.epochs), _FEWEST_EVALUATIONS), _MOST_EVALUATIONS)
        every = math.ceil(updates / evaluations)  # rounded up: the last is at the end
        strategy = "steps" if len(self.validation) else "no"
        return TrainingArguments(
            output_dir=str(self.work.root),
            num_train_epochs=choices.epochs,
            learning_rate=choices.learning_rate,
            warmup_steps=choices.warmup,
            weight_decay=choices.weight_decay,
            lr_scheduler_type="linear",
            gradient_accumulation_steps=settings.accumulate,
            bf16=choices.precision == "bf16",
            fp16=choices.precision == "fp16",
            use_cpu=not torch.cuda.is_available(),
            ddp_backend="gloo" if distributed.world_size() > 1 and not torch.cuda.is_available() else None,
            ddp_find_unused_parameters=False,
            seed=settings.seed,
            eval_strategy=strategy,
            eval_steps=every,
            save_strategy="steps",
            save_steps=every,
            save_total_limit=_KEPT_CHECKPOINTS,
            restore_callback_states_from_checkpoint=True,
            load_best_model_at_end=bool(len(self.validation)),
            metric_for_best_model="selection",
            greater_is_better=True,
            logging_strategy="steps",
            logging_steps=1,
            logging_nan_inf_filter=False,
            report_to=[],
            disable_tqdm=True,
            remove_unused_columns=False,
            dataloader_pin_memory=torch.cuda.is_available(),
        )


def _standard_error(share: float, texts: int) -> float:
    """Return how far a share of so many texts is from the true one, typically."""
    return math.sqrt(max(share * (1 - share), 0.0) / texts)


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _processor() -> str:
    """Return the processor and those of its features that training could use, for the report."""
    if _device() == "cuda":
        return str(torch.cuda.get_device_name())
    wanted = ("avx2", "avx512_f", "avx512_vnni", "avx512_bf16", "amx_bf16")
    found = [name for name, there in torch.cpu.get_capabilities().items() if name in wanted and there]
    threads = torch.get_num_threads()
    extensions = ", ".join(found) or torch.backends.cpu.get_cpu_capability()
    return f"{threads} thread{'s' if threads > 1 else ''}, {extensions}"
