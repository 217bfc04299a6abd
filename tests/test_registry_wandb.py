"""The registry in Weights & Biases, through its own client and background process, against a W&B on this machine."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from copydesk.bundle import Bundle
from copydesk.registry.base import Registered, Registry
from copydesk.registry.wandb import Wandb
from registry_contract import RegistryContract, facts_for
from servers import running
from wandb_server import WandbServer

KEY = "k" * 40
PLACE = "team/desk"
_THREE: dict[str, object] = {}


@pytest.fixture(scope="module")
def whole_server() -> Iterator[WandbServer]:
    """Return one server for all tests: W&B's client starts its process once."""
    import wandb

    with running(WandbServer(KEY)) as server:
        assert isinstance(server, WandbServer)
        yield server
        wandb.teardown()


@pytest.fixture
def server(whole_server: WandbServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> WandbServer:
    whole_server.reset()
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_BASE_URL", whole_server.root)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    for name in ("WANDB_MODE", "WANDB_ENTITY", "WANDB_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    return whole_server


class TestContract(RegistryContract):
    @pytest.fixture
    def registry(self, server: WandbServer) -> Registry:
        return Wandb(PLACE)

    @pytest.fixture
    def again(self, registry: Registry) -> Callable[[], Registry]:
        return lambda: Wandb(PLACE)

    @pytest.fixture
    def three(self, server: WandbServer, registry: Registry, bundles: list[Bundle]) -> list[Registered]:
        """Register three versions, and after that begin with what the server then held: it takes a second."""
        if not _THREE:
            versions = [registry.add(bundle, "toy", facts_for(bundle)) for bundle in bundles]
            _THREE.update(versions=versions, state=copy.deepcopy(server.state))
        server.state = copy.deepcopy(_THREE["state"])  # type: ignore[assignment]
        return list(_THREE["versions"])  # type: ignore[call-overload]
