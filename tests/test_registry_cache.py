"""Fetched bundles on this disk: what is in use stays, what a server fetched in passing goes after it."""

from __future__ import annotations

import asyncio
import fcntl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bundle_fakes import numbered_bundle
from copydesk.bundle import open_bundle
from copydesk.bundle_store import BundleStore
from copydesk.errors import BundleError
from copydesk.registry import references
from copydesk.registry.base import Registered
from copydesk.registry.cache import bundles_folder, discard
from copydesk.registry.references import fetched, opened
from copydesk.runtime.fallback import load_model
from copydesk.runtime.versions import fingerprint, version_of
from copydesk.serve.batcher import Ticket
from copydesk.serve.job_worker import Models, load_version
from copydesk.serve.metrics import Metrics
from copydesk.serve.service import Reference, Service
from copydesk.types import ModelVersion
from memory_registry import MemoryRegistry
from registry_contract import facts_for, promoted

VERSIONS = 5


class Watched(MemoryRegistry):
    """Counts downloads, and lets somebody in while one is under way."""

    downloads = 0
    meanwhile: Callable[[], object] = staticmethod(lambda: None)

    def download(self, version: Registered, folder: Path) -> None:
        self.downloads += 1
        super().download(version, folder)
        self.meanwhile()


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watched:
    """Return a registry that `models:/` leads to, with versions of `toy`, of which the first serves, one of `other`."""
    registry = Watched()
    monkeypatch.setattr(references, "_registry", lambda scheme, place: registry)
    for number in range(1, VERSIONS + 2):
        bundle = numbered_bundle(tmp_path / f"bundle-{number}", number)
        registry.add(bundle, "toy" if number <= VERSIONS else "other", facts_for(bundle))
    registry.point("toy", promoted(1, None))
    return registry


HALF_THERE = 0


def _cached(registry: Watched) -> list[int]:
    """Return which versions of `toy` are in the cache; one that is being fetched or removed is `HALF_THERE`."""
    digests = {one.facts.digest: one.version for one in registry.versions("toy")}
    folders = [path.name for path in bundles_folder().iterdir() if path.is_dir()]
    return sorted(HALF_THERE if name.startswith(".") else digests[name] for name in folders)


def _promote(registry: Watched, version: int) -> None:
    registry.point("toy", promoted(version, registry.aliases["toy"]["production"]))


def test_what_was_fetched_in_passing_goes_once_nobody_has_it_open(registry: Watched) -> None:
    first, second = opened("models:/toy/1", keep=False), opened("models:/toy/2", keep=False)
    assert discard("toy") == 0
    del first
    assert discard("toy") == 1 and _cached(registry) == [2]
    assert second.layout.is_complete()


def test_every_one_who_has_it_open_keeps_it(registry: Watched) -> None:
    first, second = opened("models:/toy/1", keep=False), opened("models:/toy/1", keep=False)
    del first
    assert discard("toy") == 0
    del second
    assert discard("toy") == 1


def test_a_model_in_memory_keeps_its_folder(registry: Watched) -> None:
    classifier = load_model("models:/toy/1", keep=False)
    assert discard("toy") == 0 and classifier.path.is_dir()


def test_a_version_that_was_removed_is_fetched_again(registry: Watched) -> None:
    for _ in range(2):
        assert opened("models:/toy/1", keep=False).layout.is_complete()
        assert discard("toy") == 1
    assert registry.downloads == 2


def test_what_a_command_fetched_stays(registry: Watched) -> None:
    fetched("models:/toy/1")
    opened("models:/toy/1", keep=False)
    assert discard("toy") == 0 and _cached(registry) == [1]


def test_what_a_command_opened_stays_from_then_on(registry: Watched) -> None:
    opened("models:/toy/1", keep=False)
    fetched("models:/toy/1")
    assert discard("toy") == 0 and _cached(registry) == [1]


def test_what_a_command_fetches_after_a_server_failed_to_stays(registry: Watched) -> None:
    def fail() -> None:
        raise OSError("The network went.")

    registry.meanwhile = fail  # type: ignore[method-assign]
    with pytest.raises(OSError, match="The network went"):
        opened("models:/toy/1", keep=False)
    registry.meanwhile = lambda: None  # type: ignore[method-assign]
    fetched("models:/toy/1")
    assert discard("toy") == 0


def test_versions_of_another_model_stay(registry: Watched) -> None:
    opened("models:/toy/1", keep=False)
    opened("models:/other/1", keep=False)
    assert discard("other") == 1 and _cached(registry) == [1]


def test_a_bundle_at_an_address_is_of_the_model_that_it_names(tmp_path: Path, registry: Watched) -> None:
    url = f"memory://{tmp_path.name}/toy"
    BundleStore(url).upload(open_bundle(tmp_path / "bundle-1"))
    bundle = opened(url, keep=False)
    assert discard("toy") == 0
    del bundle
    assert discard("toy") == 1


def test_a_version_that_is_being_fetched_stays(registry: Watched) -> None:
    removed: list[int] = []
    registry.meanwhile = lambda: removed.append(discard("toy"))  # type: ignore[method-assign]
    assert opened("models:/toy/1", keep=False).layout.is_complete()
    assert removed == [0]


def test_nothing_vanishes_under_readers_while_others_remove_it(registry: Watched) -> None:
    done, faults = threading.Event(), []

    def read() -> None:
        try:
            for _ in range(30):
                bundle = opened("models:/toy/1", keep=False)
                time.sleep(0.001)
                assert open_bundle(bundle.path).digest == registry.find("toy", 1).facts.digest
                del bundle
                time.sleep(0.002)
        except Exception as error:  # told below, by the test
            faults.append(error)

    def remove() -> None:
        while not done.is_set():
            discard("toy")

    readers, removers = ([threading.Thread(target=work) for _ in range(2)] for work in (read, remove))
    for thread in (*readers, *removers):
        thread.start()
    for thread in readers:
        thread.join()
    done.set()
    for thread in removers:
        thread.join()
    assert faults == [] and registry.downloads > 1


def _before_the_next_lock(monkeypatch: pytest.MonkeyPatch, work: Callable[[], object]) -> None:
    """Let others work after the manifest was opened and before it is locked."""
    lock = fcntl.flock

    def late(file: Any, how: int) -> None:  # noqa: ANN401 (as flock takes it)
        monkeypatch.setattr(fcntl, "flock", lock)
        work()
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", late)


def test_who_opens_a_version_while_it_is_replaced_holds_the_new_one(
    registry: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    def replace() -> None:
        assert discard("toy") == 1
        opened("models:/toy/1", keep=False)

    opened("models:/toy/1", keep=False)
    _before_the_next_lock(monkeypatch, replace)
    bundle = opened("models:/toy/1", keep=False)
    assert registry.downloads == 2
    assert discard("toy") == 0 and bundle.layout.is_complete()


def test_who_removes_a_version_while_it_is_replaced_leaves_the_new_one(
    registry: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []

    def replace() -> None:
        assert discard("toy") == 1
        found.append(opened("models:/toy/1", keep=False))

    opened("models:/toy/1", keep=False)
    _before_the_next_lock(monkeypatch, replace)
    assert discard("toy") == 0 and found[0].layout.is_complete()


def test_what_one_that_was_killed_left_half_removed_is_cleared_away(registry: Watched) -> None:
    left = bundles_folder() / ".abc.0123.removed"
    (left / "model").mkdir(parents=True)
    discard("toy")
    assert not left.exists()


def test_a_cache_on_a_disk_without_locks_is_read_and_nothing_is_removed_from_it(
    registry: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("not supported")

    opened("models:/toy/1", keep=False)
    monkeypatch.setattr(fcntl, "flock", refuse)
    assert opened("models:/toy/1", keep=False).layout.is_complete() and registry.downloads == 1
    assert discard("toy") == 0 and _cached(registry) == [1]


def test_a_server_keeps_the_version_in_service_and_the_one_before_it(registry: Watched) -> None:
    async def follow() -> None:
        service = Service(Reference.to("models:/toy@production"), metrics=Metrics(), look_s=3_600, threads=1)
        await service.start()
        assert _cached(registry) == [1]
        for version in range(2, VERSIONS + 1):
            _promote(registry, version)
            assert await service.refresh()
            await _until(lambda version=version: _cached(registry) == [version - 1, version])  # type: ignore[misc]
        assert (await service.predict(["a"], Ticket())).version.version == str(VERSIONS)
        assert registry.downloads == VERSIONS
        _promote(registry, VERSIONS - 1)
        assert await service.refresh()
        assert registry.downloads == VERSIONS  # back at once
        await service.close()

    asyncio.run(follow())


def test_servers_that_share_a_cache_leave_each_other_what_they_serve(registry: Watched) -> None:
    async def follow() -> None:
        ahead, behind = (
            Service(Reference.to("models:/toy@production"), metrics=Metrics(), look_s=3_600, threads=1) for _ in "ab"
        )
        await ahead.start()
        await behind.start()
        for version in (2, 3):
            _promote(registry, version)
            assert await ahead.refresh()
        await _until(lambda: not ahead._retiring)
        assert _cached(registry) == [1, 2, 3]
        assert await behind.refresh()
        await _until(lambda: not behind._retiring)
        _promote(registry, 4)
        assert await ahead.refresh()
        await _until(lambda: _cached(registry) == [1, 3, 4])
        await behind.close()
        await ahead.close()

    asyncio.run(follow())


def test_a_version_that_cannot_be_served_is_fetched_once_and_goes_with_the_next(registry: Watched) -> None:
    async def follow() -> None:
        name = "models:/toy@production"
        broken = [False]

        def load() -> Any:  # noqa: ANN401 (what a service loads)
            classifier = load_model(name, keep=False)
            if broken[0]:
                raise BundleError("It cannot be served.")
            return classifier, version_of(classifier, name)

        reference = Reference(name, lambda: fingerprint(name), load, discard)
        service = Service(reference, metrics=Metrics(), look_s=3_600, again_s=0, threads=1)
        await service.start()
        for version, broken[0] in ((2, False), (3, True)):
            _promote(registry, version)
            assert await service.refresh() is not broken[0]
        assert not await service.refresh()
        assert registry.downloads == 3
        broken[0] = False
        _promote(registry, 4)
        assert await service.refresh()
        await _until(lambda: _cached(registry) == [2, 4])
        await service.close()

    asyncio.run(follow())


def test_a_worker_keeps_the_versions_in_its_memory_and_fetches_an_older_one_again(registry: Watched) -> None:
    models = Models(load_version, discard=discard)
    for number in (1, 2, 3):
        models.of(ModelVersion("toy", str(number), f"models:/toy/{number}"))
    assert _cached(registry) == [2, 3] and registry.downloads == 3
    models.of(ModelVersion("toy", "1", "models:/toy/1"))
    assert _cached(registry) == [1, 3] and registry.downloads == 4


async def _until(holds: Callable[[], bool]) -> None:
    for _ in range(1_000):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("It did not come about in 10 seconds.")
