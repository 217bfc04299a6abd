"""What the prediction log costs: the same server with and without it, in turns, under the same load.

    python bench/prediction_log.py --linear DIR [--encoder DIR] --data headlines.parquet
                                   [--rounds 6] [--seconds 5] [--clients 32]

DIR are bundles trained on that data. Both servers run all the time, and one at a time is asked, one text a request, in
the order ABBA…, so that whatever else the machine does meets both alike. Per model and place of the log (a folder, and
PostgreSQL as the tests start it, on the same cores) two ratios, with against without, each with its 95 % interval over
the rounds:

  rate   good answers a second; what the log writes after a round's end is not in it
  CPU    processor time of the server's process for an answer; all that the log's thread does is in it, though half of
         that would find a core that is free. PostgreSQL's own time is not in it.

Then what became of the answers, by the server's own metric: all must be written, none dropped or lost; and the bytes
that a row takes. A run takes about half a minute for a model and place at the defaults.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import stdtrit

from load import closed_loop, request_of
from serving import Contestant, cpu_seconds, running, test_part

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
_PATIENCE_S, _LOOK_S = 30.0, 3.0
"""A look at the metrics costs the server as much as ten answers: few looks, or they would be measured too."""


@dataclass(frozen=True)
class Round:
    """What one server did in one turn, and with its log after it."""

    rate: float
    cpu_ms: float
    others: int


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--linear", type=Path)
    parser.add_argument("--encoder", type=Path)
    parser.add_argument("--data", required=True, help="the data the bundles were trained on")
    parser.add_argument("--rounds", type=int, default=6, help="pairs of turns")
    parser.add_argument("--seconds", type=float, default=5.0, help="per turn, after a second that is not counted")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--places", default="folder,postgresql")
    options = parser.parse_args()
    bundles = {"linear": options.linear, "encoder": options.encoder}
    print(f"{options.rounds} rounds of {options.seconds:g} s each, {options.clients} clients, one text a request\n")
    print(
        "model    log         without/s   with/s   rate               CPU                bytes/row  the log's answers"
    )
    for name, bundle in bundles.items():
        if bundle is None:
            continue
        texts, _ = test_part(bundle, options.data)
        requests = [request_of("/v1/classify", json.dumps({"text": text}).encode()) for text in texts]
        for place in options.places.split(","):
            with _address(place) as address:
                _compare(name, place, bundle, address, requests, options)


@contextmanager
def _address(place: str) -> Iterator[str]:
    if place == "folder":
        with tempfile.TemporaryDirectory() as folder:
            yield folder
    else:
        from postgres_server import running_postgres

        with running_postgres() as server:
            yield server.url


def _compare(
    name: str, place: str, bundle: Path, address: str, requests: Sequence[bytes], options: argparse.Namespace
) -> None:
    turns: dict[str, list[Round]] = {"without": [], "with": []}
    with running(_server(bundle)) as without, running(_server(bundle, "--log", address)) as logged:
        servers = {"without": without, "with": logged}
        for kind, (port, process) in servers.items():  # the first answers read models and libraries
            _turn(port, process, requests, options, waits=kind == "with")
        for number in range(options.rounds):
            order = ("without", "with") if number % 2 == 0 else ("with", "without")
            for kind in order:
                port, process = servers[kind]
                turns[kind].append(_turn(port, process, requests, options, waits=kind == "with"))
        counts = _counts(logged[0])
    plain, with_log = turns["without"], turns["with"]
    rates = [one.rate / other.rate for one, other in zip(with_log, plain, strict=True)]
    costs = [one.cpu_ms / other.cpu_ms for one, other in zip(with_log, plain, strict=True)]
    others = sum(one.others for one in plain + with_log)
    before, after = (np.mean([one.rate for one in some]) for some in (plain, with_log))
    print(
        f"{name:8} {place:10} {before:9,.0f} {after:8,.0f}"
        f"   {_interval(rates)}   {_interval(costs)}   {_bytes(place, address, counts):9.0f}  {counts}"
        + (f", {others} requests not answered by 200" if others else ""),
        flush=True,
    )


def _server(bundle: Path, *log: str) -> Contestant:
    command = [sys.executable, "-m", "copydesk", "serve", str(bundle), "--quiet", "--jobs", "off", *log, "--port"]
    return Contestant(command, "/v1/classify", lambda body: json.loads(body)["predictions"][0]["label"])


def _turn(port: int, process: int, requests: Sequence[bytes], options: argparse.Namespace, *, waits: bool) -> Round:
    """Load one server; with a log, wait until that has written what it was given: this time is its own too."""
    spent, written = cpu_seconds(process), _counts(port).get("written", 0)
    found = closed_loop(port, requests, clients=options.clients, seconds=options.seconds)
    ends_at = time.monotonic() + _PATIENCE_S
    while waits and _counts(port).get("written", 0) < written + found.answers and time.monotonic() < ends_at:
        time.sleep(_LOOK_S)
    others = sum(count for status, count in found.statuses.items() if status != 200)
    return Round(found.rate, 1_000 * (cpu_seconds(process) - spent) / found.answers, others)


def _counts(port: int) -> dict[str, int]:
    """Return what became of the answers that the log was given."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as response:  # nosec B310 # our own server
        lines = response.read().decode().splitlines()
    found = [line for line in lines if line.startswith("copydesk_log_entries_total{")]
    return {line.split('"')[1]: int(float(line.split()[-1])) for line in found}


def _bytes(place: str, address: str, counts: dict[str, int]) -> float:
    if place == "folder":
        size = sum(file.stat().st_size for file in Path(address).rglob("*.parquet"))
    else:
        import psycopg2

        with psycopg2.connect(address) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT pg_total_relation_size('copydesk_log')")
            size = cursor.fetchone()[0]
    return float(size / max(counts.get("written", 0), 1))


def _interval(ratios: Sequence[float]) -> str:
    mean, count = float(np.mean(ratios)), len(ratios)
    half = float(stdtrit(count - 1, 0.975) * np.std(ratios, ddof=1) / np.sqrt(count)) if count > 1 else float("nan")
    return f"{mean:6.1%} ± {half:5.1%}"


if __name__ == "__main__":
    main()
