"""Answers on their way into the prediction log: from a request, a job, or a candidate in the shadow.

Taking one costs a request about a microsecond; everything else is done by the recorder's thread (`monitor/record.py`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from copydesk.monitor.log import Log, open_log
from copydesk.monitor.record import Outcome, Recorder, told, uncounted
from copydesk.runtime.engine import Answers, Classifier
from copydesk.types import ModelVersion

if TYPE_CHECKING:
    from copydesk.monitor.entry import Source
    from copydesk.serve.log_rows import Given

_POLARS_THREADS = "POLARS_MAX_THREADS"


class AnswerLog:
    """The prediction log as the server and its workers see it."""

    def __init__(self, log: Log, *, counted: Callable[[Outcome, int], None] = uncounted) -> None:
        from copydesk.serve.log_rows import Given, Rows

        self.log, self._given = log, Given
        self._recorder: Recorder[Given] = Recorder(log, Rows(), counted=counted)

    @classmethod
    def open(
        cls, address: str, *, keep_days: int | None, counted: Callable[[Outcome, int], None] = uncounted
    ) -> AnswerLog:
        """Open the log at an address; see `open_log`, also for what it raises. Without `keep_days` no row is dropped.

        It must be opened in the process that answers: its thread does not survive a fork.
        """
        os.environ.setdefault(_POLARS_THREADS, "1")  # the cores are the model's
        return cls(open_log(address, keep_days=keep_days), counted=counted)

    def take(
        self,
        source: Source,
        classifier: Classifier,
        version: ModelVersion,
        ids: Sequence[str],
        answers: Answers,
    ) -> None:
        """Take the answers to some texts; a shadow's have the ids of the live ones. Returns at once."""
        given = self._given(time.time(), source, classifier, version, ids, answers)
        self._recorder.offer(given, characters=sum(map(len, answers.texts)))

    def close(self) -> None:
        """Write what waits."""
        self._recorder.close()
        self.log.close()


def trouble_with(address: str) -> str:
    """Return what stands in the way of a log, "" where nothing does. Raises `UsageError`, `MissingExtra`."""
    log = open_log(address)
    try:
        log.prepare()
    except Exception as error:  # a full disk, a database that is away: the server starts all the same
        return told(error)
    finally:
        log.close()
    return ""
