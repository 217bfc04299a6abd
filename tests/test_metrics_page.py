"""The page of metrics as one process and as several tell it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import copydesk

_TELL = """
from types import SimpleNamespace as Some
from copydesk.serve.lane import Times
from copydesk.serve.metrics import Metrics, Shadow
from copydesk.types import ModelVersion, Prediction

metrics = Metrics()
for version in map(str, range(7)):
    metrics.serves(ModelVersion("toy", version, "nowhere"), now=True)
    metrics.classified(version, Times(), [Prediction(label="praise", score=0.9)])
    metrics.shadowed(version, yes=1)
    metrics.corrected(version)
metrics.request("/v1/classify", "POST", 200, 0.01)
metrics.swapped("done")
lane = Some(queue=(), engine=Some(name="encoder", is_padded=True))
for watcher in (metrics, Shadow(metrics)):
    watcher.ran(lane, Some(entries=[1], cost=10, padded_cost=12), 0.01)
    watcher.dropped(lane, 1)
print(metrics.page({"pending": 1}).decode())
"""


def _page(environment: dict[str, str]) -> dict[str, str]:
    """Return the values of a new process's page by series."""
    whole = {**os.environ, "PYTHONPATH": str(Path(copydesk.__file__).parent.parent), **environment}
    done = subprocess.run([sys.executable, "-c", _TELL], env=whole, capture_output=True, text=True, check=True)
    lines = [line for line in done.stdout.splitlines() if line and not line.startswith("#")]
    return dict((line.rsplit(" ", 1)[0], line.rsplit(" ", 1)[1]) for line in lines)


def test_several_processes_tell_the_series_of_one_and_add_up(tmp_path: Path) -> None:
    alone = _page({})
    several = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    assert _page(several) == alone
    both = _page(several)
    assert set(both) == set(alone)
    counted = 'copydesk_http_requests_total{method="POST",route="/v1/classify",status="200"}'
    assert (alone[counted], both[counted]) == ("1.0", "2.0")
    assert 'copydesk_batch_texts_count{lane="shadow encoder"}' in both
    assert not any('version="0"' in series for series in both)
