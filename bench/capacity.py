"""How many requests a server has under way, and how many texts wait, before it refuses: what scaling goes by.

    python bench/capacity.py BUNDLE [--data FILE] [--clients 1,16,32,…,256] [--loads 0.5,0.8,1.0,1.2] [--seconds 4]

One `copydesk serve`, with one text a request. Closed loops with ever more clients show where refusals begin, next to
where the rule of `deploy render` puts it (`requests_at_once`); open loops at shares of the best rate show how long the
queue is then, next to where the rule wants another server (`queue_texts`). Run it on the machine that will serve, and
write `answers/s` at 32 clients into `serve.measured` of deploy.yaml. FILE has a text a line; default: the built-in
sample's headlines.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import threading
import time
import urllib.request
from pathlib import Path

from copydesk.data.sample import headlines
from copydesk.deployment.capacity import Capacity, capacity_of
from copydesk.deployment.settings import Images, Measured, Serve, Settings
from copydesk.models.cores import allowed_cores
from load import closed_loop, open_loop, request_of
from serving import Contestant, running

_QUEUE = re.compile(rb'^copydesk_queue_texts\{lane="(?!shadow )[^"]*"\} ([0-9.e+]+)', re.MULTILINE)
_LOOK_S = 0.1


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--clients", default="1,16,32,64,96,128,192,256")
    parser.add_argument("--loads", default="0.5,0.8,1.0,1.2")
    parser.add_argument("--seconds", type=float, default=4.0)
    options = parser.parse_args()
    texts = options.data.read_text("utf-8").splitlines() if options.data else [text for text, _ in headlines(2_000)]
    requests = [request_of("/v1/classify", json.dumps({"text": text}).encode()) for text in texts]
    command = [sys.executable, "-m", "copydesk", "serve", str(options.bundle.resolve()), "--quiet", "--jobs", "off"]
    rates: dict[int, float] = {}
    print(f"{allowed_cores()} cores, shared with the load")
    with running(Contestant([*command, "--port"], "/v1/classify", lambda body: "")) as (port, _):
        print(f"{'clients':>8} {'answers/s':>10} {'p50 ms':>8} {'p99 ms':>8}  other answers")
        for clients in map(int, options.clients.split(",")):
            found = closed_loop(port, requests, clients=clients, seconds=options.seconds)
            rates[clients] = found.rate
            print(
                f"{clients:>8} {found.rate:>10.0f} {found.percentile_ms(0.5):>8.0f} {found.percentile_ms(0.99):>8.0f}  "
                f"{found.faults}",
                flush=True,
            )
            time.sleep(1)
        rule = _rule(rates.get(32, max(rates.values())))
        print(
            f"by the rule: {rule.requests_at_once} requests at once; another server at {rule.queue_texts} waiting texts"
        )
        print(f"{'load':>8} {'answers/s':>10} {'p99 ms':>8} {'queue: mean':>12} {'longest':>8}  other answers")
        for share in map(float, options.loads.split(",")):
            with _Watch(port) as watch:
                found = open_loop(port, requests, rate=share * max(rates.values()), seconds=options.seconds)
            mean, most = sum(watch.seen) / max(len(watch.seen), 1), max(watch.seen, default=0)
            print(
                f"{share:>8.0%} {found.rate:>10.0f} {found.percentile_ms(0.99):>8.0f} {mean:>12.1f} {most:>8.0f}  "
                f"{found.faults}",
                flush=True,
            )
            time.sleep(1)


def _rule(answers_per_second: float) -> Capacity:
    """Return what `deploy render` makes of a rate measured on this machine."""
    measured = Measured(answers_per_second=answers_per_second, cpus=allowed_cores())
    serve = Serve.model_construct(**{**Serve().model_dump(), "measured": measured, "cpus": allowed_cores()})
    return capacity_of(Settings(name="bench", model="/opt/bundle", images=Images(serve="serve:1"), serve=serve))


class _Watch:
    """Reads how many texts wait, ten times a second, until it is left."""

    def __init__(self, port: int) -> None:
        self.seen: list[float] = []
        self._url = f"http://127.0.0.1:{port}/metrics"
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(_LOOK_S):
            with urllib.request.urlopen(self._url, timeout=10) as answer:  # nosec B310 # our own server
                self.seen.append(sum(float(value) for value in _QUEUE.findall(answer.read())))


if __name__ == "__main__":
    main()
