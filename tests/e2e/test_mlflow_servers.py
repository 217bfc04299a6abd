"""The registry on a real MLflow server with PostgreSQL behind it; test_mlflow_registry.py has a file of SQLite."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from copydesk.bundle import Bundle
from copydesk.errors import RegistryError
from copydesk.registry import mlflow as adapter
from copydesk.registry.base import Registered, Registry
from copydesk.registry.mlflow import Mlflow
from copydesk.registry.mlflow_turns import Turns
from copydesk.registry.references import fetched
from mlflow_server import mlflow_server, postgres
from registry_contract import RegistryContract, promoted

pytestmark = [pytest.mark.e2e, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the server's address."""
    with postgres() as database, mlflow_server(tmp_path_factory.mktemp("server"), database) as found:
        yield found


@pytest.fixture(autouse=True)
def _emptied(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lead MLflow's variables to the server, and delete the models of the test before."""
    from mlflow import MlflowClient

    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    client = MlflowClient(tracking_uri=address)
    for model in client.search_registered_models():
        client.delete_registered_model(model.name)


class TestMlflowServer(RegistryContract):
    @pytest.fixture
    def registry(self) -> Registry:
        return Mlflow()

    @pytest.fixture
    def again(self) -> Callable[[], Registry]:
        def reopened() -> Registry:
            adapter._opened.cache_clear()
            return Mlflow()

        return reopened

    def test_the_server_lists_nothing_of_ours_but_the_model(self, address: str, three: list[Registered]) -> None:
        from mlflow import MlflowClient

        Mlflow().point("toy", promoted(1, None))
        assert [model.name for model in MlflowClient(tracking_uri=address).search_registered_models()] == ["toy"]

    def test_mlflows_own_client_reads_the_same(
        self, address: str, three: list[Registered], bundles: list[Bundle], tmp_path: Path
    ) -> None:
        from mlflow import MlflowClient
        from mlflow.artifacts import download_artifacts

        Mlflow().point("toy", promoted(2, None))
        client = MlflowClient(tracking_uri=address)
        found = client.get_model_version_by_alias("toy", "production")
        assert int(found.version) == 2
        assert found.tags["copydesk.digest"] == bundles[1].digest
        folder = download_artifacts(
            artifact_uri="models:/toy@production", dst_path=str(tmp_path / "own"), tracking_uri=address
        )
        assert (Path(folder) / "manifest.json").read_bytes() == bundles[1].layout.manifest.read_bytes()

    def test_a_mover_killed_while_it_has_its_turn_holds_the_others_up_for_the_lease_only(
        self, address: str, three: list[Registered], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        code = (
            "from copydesk import mlflow_client\n"
            "from copydesk.registry.mlflow_turns import Turns\n"
            "with Turns(mlflow_client.open_client(), 'toy').mine():\n"
            "    print('mine', flush=True)\n"
            "    input()\n"
        )
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        with subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
        ) as holder:
            assert holder.stdout is not None and holder.stdout.readline() == b"mine\n"
            holder.send_signal(signal.SIGKILL)
        monkeypatch.setattr(adapter, "Turns", lambda client, name: Turns(client, name, lease_s=0.5))
        Mlflow().point("toy", promoted(1, None))
        assert Mlflow().find("toy", "production").version == 1

    def test_a_reference_leads_to_a_verified_folder(self, three: list[Registered], bundles: list[Bundle]) -> None:
        Mlflow().point("toy", promoted(3, None))
        folder = fetched("models:/toy@production")
        assert (folder / "manifest.json").read_bytes() == bundles[2].layout.manifest.read_bytes()


def test_a_server_that_is_not_there_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:secret@127.0.0.1:9")
    with pytest.raises(RegistryError, match="'http://127.0.0.1:9'.*Connection refused") as told:
        Mlflow().names()
    assert "secret" not in str(told.value)
