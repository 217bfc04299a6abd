"""What happens beside the updates: progress, the learning curve, when to save, profiling, SIGTERM.

These are hooks of `transformers.Trainer`; it calls them by name.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import TrainerCallback

from copydesk.errors import CopydeskError
from copydesk.models import distributed
from copydesk.progress import Advance
from copydesk.types import Step

_GO_ON, _SAVE, _STOP = 0, 1, 2


class Listener(TrainerCallback):  # type: ignore[misc]
    """Passes Trainer's steps on, and decides when a checkpoint is due: after some minutes, an epoch, or SIGTERM."""

    def __init__(
        self,
        texts: int,
        advance: Advance,
        *,
        metric: str,
        checkpoint_minutes: float,
        on_step: Callable[[Step], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._texts, self._advance, self._metric, self._on_step, self._clock = texts, advance, metric, on_step, clock
        self._interval_s = checkpoint_minutes * 60
        self._told = 0
        self._note = ""
        self._seen_at: tuple[float, int] | None = None
        self._saved_at = clock()
        self.rate = 0.0
        self.terminated = False

    def saved(self) -> None:
        """Note that a checkpoint was written just now."""
        self._saved_at = self._clock()
        self._seen_at = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:  # noqa: ANN401
        self._told = _seen(state, self._texts)
        self._advance(self._told)

    def on_step_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:  # noqa: ANN401
        if self._seen_at is None:
            self._seen_at = (self._clock(), _seen(state, self._texts))

    def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:  # noqa: ANN401
        done, now = _seen(state, self._texts), self._clock()
        if self._seen_at is not None and now > self._seen_at[0]:
            self.rate = (done - self._seen_at[1]) / (now - self._seen_at[0])
        self._seen_at = (now, done)
        self._advance(done - self._told, self._note)
        self._told = done
        due = now - self._saved_at >= self._interval_s
        wish = distributed.most_urgent(_STOP if self.terminated else _SAVE if due else _GO_ON)
        self.terminated = wish == _STOP
        control.should_training_stop = control.should_training_stop or self.terminated
        control.should_save = control.should_save or wish >= _SAVE

    def on_epoch_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:  # noqa: ANN401
        control.should_save = True

    def on_evaluate(self, args: Any, state: Any, control: Any, **others: Any) -> None:  # noqa: ANN401
        self._seen_at = None

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **others: Any) -> None:  # noqa: ANN401
        if not np.isfinite(logs.get("loss", 0.0)):
            raise CopydeskError(f"The training loss became {logs['loss']}. Lower train.learning_rate.")
        if "loss" in logs:
            self._note = f"loss {logs['loss']:.3f}"
        elif "eval_loss" in logs:
            self._note = f"validation {self._metric} {logs['eval_quality']:.4f}"
        found = step_of({**logs, "step": state.global_step}, self._texts)
        if found is not None and self._on_step is not None:
            self._on_step(found)


def step_of(logs: dict[str, float], texts: int) -> Step | None:
    """Return one entry of Trainer's log as a point of the learning curve; None for its closing summary."""
    if "loss" not in logs and "eval_loss" not in logs:
        return None
    return Step(
        step=int(logs["step"]),
        epoch=float(logs["epoch"]),
        examples=round(logs["epoch"] * texts),
        loss=logs.get("loss"),
        learning_rate=logs.get("learning_rate"),
        examples_per_second=logs.get("examples_per_second"),
        validation_loss=logs.get("eval_loss"),
        validation_quality=logs.get("eval_quality"),
    )


def _seen(state: Any, texts: int) -> int:  # noqa: ANN401 (transformers' TrainerState)
    return round((state.epoch or 0) * texts)


class Profile(TrainerCallback):  # type: ignore[misc]
    """Records a few steps after a warm one: a trace for chrome://tracing or perfetto, and the costliest operators."""

    def __init__(self, trace: Path, tell: Callable[[str], None], *, steps: int = 5) -> None:
        self._trace, self._tell, self._left = trace, tell, steps + 1
        self._profiler: Any = None

    def on_step_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:  # noqa: ANN401
        if self._profiler is None and self._left:
            active = self._left - 1
            self._profiler = torch.profiler.profile(
                schedule=torch.profiler.schedule(wait=0, warmup=1, active=active), record_shapes=True
            )
            self._profiler.__enter__()

    def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:  # noqa: ANN401
        if not self._left:
            return
        self._left -= 1
        if self._left:
            self._profiler.step()
        else:
            self._finish()

    def on_train_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:  # noqa: ANN401
        if self._left and self._profiler is not None:
            self._left = 0
            self._finish()

    def _finish(self) -> None:
        self._profiler.__exit__(None, None, None)
        self._trace.parent.mkdir(parents=True, exist_ok=True)
        self._profiler.export_chrome_trace(str(self._trace))
        table = self._profiler.key_averages().table(
            sort_by="self_cpu_time_total", row_limit=12, max_name_column_width=40
        )
        self._tell(f"profile of {self._trace}:\n{table}")


@contextmanager
def stopping_on_sigterm(listener: Listener) -> Iterator[None]:
    """Let SIGTERM ask for a checkpoint and the end of training instead of ending the process at once."""

    def ask(number: int, frame: object) -> None:
        listener.terminated = True

    try:
        before = signal.signal(signal.SIGTERM, ask)
    except ValueError:  # not the main thread: signals are somebody else's
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
