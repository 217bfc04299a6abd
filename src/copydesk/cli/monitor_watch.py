"""What `copydesk monitor watch` puts together: model, log, memory, webhook, and the end by a signal."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from copydesk.errors import CopydeskError
from copydesk.monitor.gauges import Gauges, Seen, serve_gauges
from copydesk.monitor.log import open_log
from copydesk.monitor.memory import Event
from copydesk.monitor.recent import size_of
from copydesk.monitor.report_json import plain_values
from copydesk.monitor.subject import Subject, subject_of
from copydesk.monitor.times import stretch
from copydesk.monitor.watch import Settings, Watch, watch_until
from copydesk.monitor.webhook import SECRET, post, require_webhook
from copydesk.registry.references import opened
from copydesk.runtime.versions import fingerprint
from copydesk.serve.logs import flush_logs, log_to_stderr

LOG = logging.getLogger("copydesk.monitor")


@dataclass(frozen=True)
class Options:
    """What was asked for on the command line."""

    model: str
    log: str
    window: str
    since: str
    state: Path
    webhook: str | None
    overrides: Mapping[str, Any]


class Found:
    """The model that a reference leads to, opened again when it leads to another; kept while a registry is away."""

    def __init__(self, model: str, overrides: Mapping[str, Any]) -> None:
        self._model, self._overrides = model, overrides
        self._fingerprint = fingerprint(model)
        self._subject = subject_of(opened(model, keep=False), overrides)

    def __call__(self) -> Subject:
        """Return the model that the reference leads to now."""
        try:
            now = fingerprint(self._model)
            if now != self._fingerprint:
                self._subject = subject_of(opened(self._model, keep=False), self._overrides)
                self._fingerprint = now
                LOG.info("another version", extra={"fields": {"version": self._subject.version}})
        except (CopydeskError, OSError) as error:
            LOG.warning("model not found", extra={"fields": {"error": str(error), "kept": self._subject.version}})
        return self._subject


def look_once(options: Options) -> dict[str, Any]:
    """Look once, and return what was seen as JSON values. Raises whatever stands in the way."""
    log_to_stderr("error")  # what is found is printed
    seen: dict[str, Any] = plain_values(_watch(options).look(datetime.now(UTC)))
    return seen


def watch_model(options: Options, *, host: str, port: int, every_s: float, bound: Callable[[str], None]) -> None:
    """Look every so many seconds, and serve gauges, until SIGTERM or Ctrl-C. Raises `UsageError`."""
    watch, gauges, end = _watch(options), Gauges(), threading.Event()
    server = serve_gauges(gauges, host, port)
    log_to_stderr("info")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: end.set())
    bound(f"http://{host}:{server.server_port}/metrics")
    # A look may be in the middle of a long read, which no signal interrupts: it is in a thread that dies with the rest.
    arguments = (end.wait, lambda: watch.look(datetime.now(UTC)), partial(_show, gauges), every_s)
    threading.Thread(target=watch_until, args=arguments, name="copydesk-watch", daemon=True).start()
    end.wait()
    LOG.info("ended")
    flush_logs()
    sys.stdout.flush()
    os._exit(0)  # at once: what is kept is written whole or not at all, and nothing else is to be put in order


def _show(gauges: Gauges, seen: Seen) -> None:
    before = gauges.seen
    gauges.seen = seen
    for note in seen.notes:
        if before is None or note not in before.notes:
            LOG.warning(note)
    if seen.window and (before is None or seen.window != before.window):
        drifted = [state.detector for state in seen.window.states if state.drifted]
        fields = {"texts": seen.window.texts, "until": seen.window.until, "drifted": drifted}
        LOG.info("window judged", extra={"fields": fields | {"alarms": [alarm.rule for alarm in seen.alarms]}})


def _watch(options: Options) -> Watch:
    find = Found(options.model, options.overrides)
    settings = Settings(size_of(options.window), stretch(options.since), options.state / f"{find().name}.watch.json")
    url = require_webhook(options.webhook) if options.webhook else None
    secret = os.environ.get(SECRET)

    def tell(event: Event) -> None:
        post(url or "", event, secret=secret, now=datetime.now(UTC))

    return Watch(find, open_log(options.log), settings, tell if url else None)
