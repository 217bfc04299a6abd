"""Requests a second and how long they take: the usual servers and Copydesk's, one model, one machine, one run.

    python bench/serving.py --bundle DIR --data headlines.parquet [--cascade DIR] [--only pipeline,copydesk]
                            [--seconds 10] [--clients 1,32,256] [--loads 0.5,0.8,1.2]

DIR is a bundle of an encoder trained on that data, `--cascade` one of the same encoder's cascade. Every server runs
alone, in processes of its own, and answers one text a request, over and over the first 2,000 of the recipe's test part:

  pipeline    FastAPI with a sync handler around transformers.pipeline()
  litserve    LitServe, dynamic batches of up to 32
  copydesk    `copydesk serve` with the encoder
  cascade     `copydesk serve` with the cascade

First come closed loops (each client sends when its last request was answered), then open ones at shares of the best
rate of these: requests come at random times, and latencies count from when they were due. `load.py` is the load, in
this process; its own ceiling, against a server that does nothing, is printed first. Per line: good answers a second,
the median and the 99th percentile of their milliseconds, the milliseconds of processor that the server spent on an
answer (these hardly change when others use the machine too), the memory of all its processes (pages that they share
counted once) at the end of the load, the share of a core that the load itself took, and all other answers. `same` is
the share of answers equal to those of the first server measured, `right` the share equal to the data's labels.

Infinity is not among them: 0.0.78, its newest, needs numpy below 2 and typer below 0.13.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from copydesk.bundle import open_bundle
from copydesk.data.prepare import prepare_dataset
from copydesk.models.cores import allowed_cores, features
from copydesk.recipe import override
from load import Measured, closed_loop, open_loop, request_of

_TEXTS = 2_000
_CHECKED = 300
"""So many answers of each server are looked at."""
_STARTS_IN_S = 120.0
_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Contestant:
    """A server: how it is started (with a port), where it is asked, and how its answer is read."""

    command: list[str]
    path: str
    label_of: Callable[[bytes], str]


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--data", required=True, help="the data the bundle was trained on")
    parser.add_argument("--cascade", type=Path)
    parser.add_argument("--only", default="", help="some of: pipeline,litserve,copydesk,cascade")
    parser.add_argument("--seconds", type=float, default=10.0, help="per load")
    parser.add_argument("--clients", default="1,32,256")
    parser.add_argument("--loads", default="0.5,0.8,1.2", help="open loops, as shares of the best closed one's rate")
    options = parser.parse_args()
    texts, labels = test_part(options.bundle, options.data)
    wanted = [name for name in options.only.split(",") if name]
    contestants = _contestants(options.bundle, options.cascade)
    unknown = set(wanted) - set(contestants)
    if unknown:
        raise SystemExit(f"{', '.join(sorted(unknown))}: not here. There are: {', '.join(contestants)}.")
    bodies = [json.dumps({"text": text}, ensure_ascii=False).encode() for text in texts]
    clients = [int(count) for count in options.clients.split(",") if count]
    loads = [float(share) for share in options.loads.split(",") if share]
    print(f"{len(texts):,} texts; {allowed_cores()} cores, {', '.join(features())}, shared with the load")
    _print_ceiling(bodies)
    titles = ("load", 16), ("good/s", 9), ("p50 ms", 9), ("p99 ms", 9), ("CPU ms", 7), ("MB", 6), ("load", 5)
    print("\n" + " ".join([" " * 10, *(f"{title:>{width}}" for title, width in titles), " other answers"]))
    reference: list[str] = []
    for name in wanted or contestants:
        contestant = contestants[name]
        requests = [request_of(contestant.path, body) for body in bodies]
        with running(contestant) as (port, process):
            answers = _answers(port, contestant, bodies[:_CHECKED])
            reference = reference or answers
            spent = cpu_seconds(process)
            for line, measured in _loads(port, requests, clients, loads, options.seconds):
                before, spent = spent, cpu_seconds(process)
                _print_line(name, line, measured, memory_mb(process), spent - before)
                _calm(port, contestant.path, bodies[0])
        print(f"{name:10} same {_share(answers, reference):.1%}, right {_share(answers, labels):.1%}\n", flush=True)


def _contestants(bundle: Path, cascade: Path | None) -> dict[str, Contestant]:
    def peer(*script: str) -> Contestant:
        command = [sys.executable, str(_HERE / script[0]), *script[1:], "--bundle", str(bundle), "--port"]
        return Contestant(command, "/classify", lambda body: json.loads(body)["label"])

    def ours(model: Path) -> Contestant:
        command = [sys.executable, "-m", "copydesk", "serve", str(model), "--quiet", "--jobs", "off", "--port"]
        return Contestant(command, "/v1/classify", lambda body: json.loads(body)["predictions"][0]["label"])

    peers = {"pipeline": peer("serving_peers.py", "pipeline"), "litserve": peer("serving_litserve.py")}
    return peers | {"copydesk": ours(bundle)} | ({"cascade": ours(cascade)} if cascade else {})


def test_part(folder: Path, data: str) -> tuple[list[str], list[str]]:
    """Return the first texts and labels of a bundle's test part."""
    bundle = open_bundle(folder)
    dataset = prepare_dataset(override(bundle.recipe, {"source": []}), data)
    if dataset.content_hash() != bundle.manifest["data"]:
        raise SystemExit(f"{data} is not the data that {folder} was trained on.")
    texts, labels = dataset.part("test")
    return list(texts[:_TEXTS]), [str(label) for label in labels[:_TEXTS]]


def _loads(
    port: int, requests: Sequence[bytes], clients: Sequence[int], loads: Sequence[float], seconds: float
) -> Iterator[tuple[str, Measured]]:
    """Yield each load's name and findings; before the next one the server finishes what nobody waits for any more."""
    best = 0.0
    for count in clients:
        measured = closed_loop(port, requests, clients=count, seconds=seconds)
        best = max(best, measured.rate)
        yield f"{count} client{'s' if count > 1 else ''}", measured
    for share in loads if best else ():
        rate = share * best
        yield f"{rate:,.0f}/s, {share:.0%}", open_loop(port, requests, rate=rate, seconds=seconds)


def _print_line(name: str, load: str, measured: Measured, megabytes: float, cpu_s: float) -> None:
    middle, slow = measured.percentile_ms(0.5), measured.percentile_ms(0.99)
    cpu_ms = 1_000 * cpu_s / max(measured.answers, 1)
    print(
        f"{name:10} {load:>16} {measured.rate:9,.0f} {middle:9.1f} {slow:9.1f} {cpu_ms:7.2f} {megabytes:6.0f} "
        f"{measured.cpu_share:5.0%}  {measured.faults}",
        flush=True,
    )


def _print_ceiling(bodies: Sequence[bytes]) -> None:
    nothing = Contestant([sys.executable, str(_HERE / "serving_peers.py"), "nothing", "--port"], "/classify", str)
    with running(nothing) as (port, _):
        measured = closed_loop(port, [request_of("/classify", body) for body in bodies], clients=32, seconds=3)
    per_request = measured.cpu_share / measured.rate * 1e6
    print(f"the load's own ceiling: {measured.rate:,.0f} requests/s, {per_request:.0f} us of processor a request")


def _answers(port: int, contestant: Contestant, bodies: Sequence[bytes]) -> list[str]:
    return [contestant.label_of(_posted(port, contestant.path, body)) for body in bodies]


def _posted(port: int, path: str, body: bytes) -> bytes:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, headers)
    with urllib.request.urlopen(request, timeout=120) as response:  # nosec B310 # our own server
        return response.read()  # type: ignore[no-any-return]


def _calm(port: int, path: str, body: bytes) -> None:
    """Wait until the server is done with what nobody waits for any more: then it answers again."""
    for _ in range(100):
        try:
            _posted(port, path, body)
            return
        except urllib.error.HTTPError:
            time.sleep(0.2)


def _share(answers: Sequence[str], expected: Sequence[str]) -> float:
    return sum(one == other for one, other in zip(answers, expected, strict=False)) / len(answers)


@contextmanager
def running(contestant: Contestant) -> Iterator[tuple[int, int]]:
    """Start a server on a free port in a group of its own, yield the port and its process, and end them all."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "output").open("w+") as output:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(_HERE), *sys.path[1:]])}
        server = subprocess.Popen(
            [*contestant.command, str(port)],
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
        try:
            _wait_for(server, port, contestant.path, Path(folder) / "output")
            yield port, server.pid
        finally:
            _end(server)


def _wait_for(server: subprocess.Popen[bytes], port: int, path: str, output: Path) -> None:
    ends_at = time.monotonic() + _STARTS_IN_S
    while time.monotonic() < ends_at:
        if server.poll() is not None:
            raise SystemExit(f"The server ended with {server.returncode}:\n{output.read_text()[-2_000:]}")
        try:
            _posted(port, path, b'{"text": "Parliament votes on the new budget after a long night"}')
            return
        except OSError:
            time.sleep(0.2)
    raise SystemExit(f"The server did not answer within {_STARTS_IN_S:.0f} s:\n{output.read_text()[-2_000:]}")


def _end(server: subprocess.Popen[bytes]) -> None:
    """End the server and all that it has started."""
    for how, wait_s in ((signal.SIGTERM, 15), (signal.SIGKILL, 5)):
        try:
            os.killpg(server.pid, how)
            server.wait(wait_s)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def memory_mb(process: int) -> float:
    """Return the resident memory of a process and all below it, shared pages counted once."""
    return sum(_proportional_kb(one) for one in [process, *_below(process)]) / 1024


def _proportional_kb(process: int) -> int:
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def cpu_seconds(process: int) -> float:
    """Return the processor time that a process and all below it have used."""
    fields = [_fields(one) for one in [process, *_below(process)]]
    return sum(int(found[11]) + int(found[12]) for found in fields if found) / os.sysconf("SC_CLK_TCK")


def _fields(process: int) -> list[str]:
    """Return the fields of /proc/PID/stat that follow the command's name."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _below(process: int) -> list[int]:
    try:
        threads = list(Path(f"/proc/{process}/task").iterdir())
        children = [int(child) for thread in threads for child in (thread / "children").read_text().split()]
    except OSError:
        return []
    return children + [deeper for child in children for deeper in _below(child)]


if __name__ == "__main__":
    main()
