"""A served model in memory: fake models behind the real application."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from fastapi.testclient import TestClient
from numpy.typing import NDArray

from copydesk.bundle import Settings
from copydesk.runtime.engine import Classifier
from copydesk.serve.app import Access, create_app
from copydesk.serve.feedback import Feedback
from copydesk.serve.limits import Limits
from copydesk.serve.metrics import Metrics
from copydesk.serve.service import Reference, Service
from copydesk.types import Decision, ModelVersion
from fakes import FakeModel

LOGITS = {"good": [4.0, 0.0], "bad": [0.0, 4.0]}


class Held(FakeModel):
    """A fake model that does not answer before it is let, once warmed up."""

    def __init__(self) -> None:
        super().__init__(LOGITS, 2)
        self.entered, self.opened = threading.Event(), threading.Event()
        self.opened.set()

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.entered.set()
        assert self.opened.wait(20)
        return super().logits(texts)


def classifier_of(model: Any, task: str = "single", text: tuple[str, ...] = ("text",)) -> Classifier:  # noqa: ANN401
    """Return a fake model with the labels `praise` and `blame` as a classifier."""
    decision = Decision(thresholds=(0.5, 0.5)) if task == "multi" else Decision()
    return Classifier(model, Settings(task, ("praise", "blame"), "fake", text, ("spaces",), decision=decision))


class Shelf:
    """A name that leads to one classifier now and may lead to another later."""

    def __init__(self, classifier: Classifier, version: str = "v1") -> None:
        self.put(classifier, version)

    def put(self, classifier: Classifier | Exception, version: str) -> None:
        self.classifier, self.version = classifier, version

    def load(self) -> tuple[Classifier, ModelVersion]:
        if isinstance(self.classifier, Exception):
            raise self.classifier
        return self.classifier, ModelVersion("toy", self.version, "nowhere")

    @property
    def reference(self) -> Reference:
        return Reference("toy", lambda: self.version, self.load)


def service_of(classifier: Classifier | Shelf, *, limits: Limits | None = None, **more: Any) -> Service:  # noqa: ANN401
    """Return a service of a classifier, not yet started."""
    shelf = classifier if isinstance(classifier, Shelf) else Shelf(classifier)
    return Service(shelf.reference, metrics=Metrics(), limits=limits or Limits(), look_s=3_600, threads=1, **more)


@contextmanager
def served(
    classifier: Classifier | Shelf | None = None,
    *,
    service: Service | None = None,
    access: Access | None = None,
    feedback: Path = Path("feedback.jsonl"),
    **limits: Any,  # noqa: ANN401
) -> Iterator[TestClient]:
    """Yield a client of the real application over a model in memory; `limits` are fields of `Limits`."""
    if service is None:
        service = service_of(classifier or classifier_of(FakeModel(LOGITS, 2)), limits=Limits(**limits))
    with TestClient(create_app(service, feedback=Feedback.in_file(feedback), access=access)) as client:
        yield client
