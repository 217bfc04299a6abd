"""Many processes that promote, roll back and register at random, some of them killed: the registry stays true.

Short by default; COPYDESK_STORM_SECONDS=60 and COPYDESK_STORM_PROCESSES=50 make it the whole storm.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from copydesk.bundle import open_bundle
from copydesk.errors import RegistryError, Stale
from copydesk.registry import moves
from copydesk.registry.base import PRODUCTION, Change
from copydesk.registry.mlflow import Mlflow
from copydesk.registry.moves import Mover
from copydesk.registry.references import fetched
from registry_contract import facts_for, small_bundle

pytestmark = [pytest.mark.e2e, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
SECONDS = float(os.environ.get("COPYDESK_STORM_SECONDS", "10"))
PROCESSES = int(os.environ.get("COPYDESK_STORM_PROCESSES", "8"))
_OBSERVERS = 2
_MODELS = ("cats", "dogs", "hens", "pigs", "cows", "bees", "ants", "rats")
"""Of two who move one model at once only one wins: several models, so that a storm has many winners."""
_AT = "2026-11-21T10:00:00+00:00"


@dataclass(frozen=True)
class Storm:
    """Where the processes leave what they did, and where it is said until when they go on."""

    folder: Path

    def begin(self, seconds: float) -> None:
        """Let those who wait begin, and all end after so many seconds."""
        (self.folder / "until").write_text(str(time.time() + seconds))

    def goes_on(self) -> bool:
        """Wait for the beginning, then tell whether it is not over."""
        while not (self.folder / "until").is_file() or not (until := (self.folder / "until").read_text()):
            time.sleep(0.05)
        return time.time() < float(until)

    def tell(self, what: str) -> None:
        """Count something; a line is written in one call."""
        with (self.folder / "told.txt").open("ab", buffering=0) as file:
            file.write(f"{what}\n".encode())

    def counted(self) -> Counter[str]:
        return Counter((self.folder / "told.txt").read_text("utf-8").splitlines())


def _forked(work: Callable[[], None], storm: Storm) -> int:
    """Run some work in a process of its own, which shares nothing that is open; what goes wrong is told."""
    child = os.fork()
    if child:
        return child
    try:
        os.nice(1)  # whoever starts and kills them must get its turn
        work()
    except BaseException:
        storm.tell("fault: " + json.dumps(traceback.format_exc()))
    finally:
        os._exit(0)


def _register(storm: Storm, name: str, number: int) -> None:
    bundle = small_bundle(storm.folder / f"bundle-{os.getpid()}-{name}-{number}", f"{os.getpid()} {number}", name)
    Mlflow().add(bundle, name, facts_for(bundle))
    storm.tell("registered")


def _move(storm: Storm, chance: random.Random) -> None:
    registry = Mlflow()
    mover, name = Mover(str(os.getpid()), _AT), chance.choice(_MODELS)
    try:
        if chance.random() < 0.5:
            champion = moves.production_of(registry, name)
            moves.promote(registry, chance.choice(registry.versions(name)), champion, mover)
            storm.tell("promoted")
        else:
            moves.rollback(registry, name, mover)
            storm.tell("rolled back")
    except Stale:
        storm.tell("told")
    except RegistryError as error:
        if "there is none to go back to" not in str(error) and "nothing to go back from" not in str(error):
            raise
        storm.tell("nothing to go back to")


def _mover(storm: Storm, seed: int) -> Callable[[], None]:
    def work() -> None:
        chance, number = random.Random(seed), 0
        Mlflow().names()  # opens the database, which takes longer than a move
        storm.tell("ready")
        while storm.goes_on():
            number += 1
            if chance.random() < 0.05:
                _register(storm, chance.choice(_MODELS), number)
            else:
                _move(storm, chance)

    return work


def _require_true(name: str, chance: random.Random) -> None:
    """Look at a model as anybody might: what is named is whole, and its history is one chain."""
    registry = Mlflow()
    sample = chance.choice(registry.versions(name))
    assert open_bundle(fetched(f"models:/{name}/{sample.version}")).digest == sample.facts.digest
    assert open_bundle(fetched(f"models:/{name}@production")).manifest["name"] == name
    _require_chain(registry.history(name))


def _require_chain(history: list[Change]) -> None:
    at = None
    for change in history:
        assert change.alias == PRODUCTION
        assert change.before == at, history[-5:]
        at = change.version


def _observer(storm: Storm, seed: int) -> Callable[[], None]:
    def work() -> None:
        chance = random.Random(seed)
        while storm.goes_on():
            _require_true(chance.choice(_MODELS), chance)
            storm.tell("looked")
            time.sleep(chance.random() / 10)

    return work


def _set_up(storm: Storm) -> None:
    for name in _MODELS:
        for number in range(3):
            _register(storm, name, number)
        registry = Mlflow()
        moves.promote(registry, registry.find(name, 1), None, Mover("set-up", _AT))
        storm.tell("promoted")


def _run(work: Callable[[], None], storm: Storm) -> None:
    os.waitpid(_forked(work, storm), 0)


def _let_it_rage(storm: Storm, chance: random.Random) -> int:
    """Run the processes to the end, killing one of the movers now and then; return how many were killed."""
    movers = [_forked(_mover(storm, seed), storm) for seed in range(PROCESSES)]
    observers = [_forked(_observer(storm, seed), storm) for seed in range(_OBSERVERS)]
    while storm.counted()["ready"] < len(movers):
        time.sleep(0.1)
    storm.begin(SECONDS)
    killed = 0
    while storm.goes_on():
        time.sleep(chance.uniform(0.1, 0.5))
        place = chance.randrange(len(movers))
        os.kill(movers[place], signal.SIGKILL)
        os.waitpid(movers[place], 0)
        killed += 1
        movers[place] = _forked(_mover(storm, 1_000 + killed), storm)
    for process in (*movers, *observers):
        os.waitpid(process, 0)
    return killed


def _settled(storm: Storm) -> None:
    registry, done = Mlflow(), Counter[str]()
    assert registry.names() == sorted(_MODELS)
    for name in _MODELS:
        _require_true(name, random.Random(0))
        history, versions = registry.history(name), registry.versions(name)
        done.update(change.action for change in history)
        assert history[-1].version == registry.find(name, PRODUCTION).version
        assert [one.version for one in versions] == list(range(len(versions), 0, -1))
        assert len({one.facts.digest for one in versions}) == len(versions)
        for one in versions:
            assert open_bundle(fetched(f"models:/{name}/{one.version}")).digest == one.facts.digest
    told = storm.counted()
    for action in ("promoted", "rolled back"):  # who was killed may have moved and not have told
        assert told[action] <= done[action] <= told[action] + told["killed"], (told, done)
    storm.tell("settled")


def _warm_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do once, in another registry, what every process would need a second for: MLflow and its tables in memory."""
    folder.mkdir()
    with monkeypatch.context() as patch:
        patch.chdir(folder)
        _set_up(Storm(folder))


def test_processes_that_move_at_random_and_die_leave_a_registry_that_is_true(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _warm_up(tmp_path / "elsewhere", monkeypatch)
    storm = Storm(tmp_path)
    _run(lambda: _set_up(storm), storm)
    killed = _let_it_rage(storm, random.Random(7))
    for _ in range(killed):
        storm.tell("killed")
    _run(lambda: _settled(storm), storm)
    counted = storm.counted()
    faults = [json.loads(line.removeprefix("fault: ")) for line in counted if line.startswith("fault")]
    assert not faults, faults[0]
    assert counted["settled"] == 1
    assert min(counted[what] for what in ("promoted", "rolled back", "looked", "killed")) > 0, counted
