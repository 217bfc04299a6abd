"""The registry in MLflow's database file: what every registry does, and what is MLflow's own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from copydesk.bundle import Bundle
from copydesk.errors import MissingExtra, RegistryError, Stale, UsageError
from copydesk.registry.base import Registered, Registry
from copydesk.registry.mlflow import Mlflow
from registry_contract import RegistryContract, facts_for, promoted, small_bundle

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of MLflow about SQLAlchemy, both current


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return MLflow's database without a model, and with the suite's three versions: either takes seconds to make."""
    from copydesk import mlflow_client

    folder = tmp_path_factory.mktemp("mlflow")
    made = {name: folder / f"{name}.db" for name in ("empty", "three")}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        mlflow_client.open_client().search_registered_models()
        made["empty"].write_bytes((folder / mlflow_client.DATABASE).read_bytes())
        for number in range(1, 4):
            bundle = small_bundle(folder / f"bundle-{number}", f"weights {number}")
            Mlflow().add(bundle, "toy", facts_for(bundle))
        made["three"].write_bytes((folder / mlflow_client.DATABASE).read_bytes())
    return made


class TestMlflow(RegistryContract):
    @pytest.fixture
    def registry(self, databases: dict[str, Path], tmp_path: Path) -> Registry:
        (tmp_path / "mlflow.db").write_bytes(databases["empty"].read_bytes())
        return Mlflow()

    @pytest.fixture
    def three(self, registry: Registry, databases: dict[str, Path], tmp_path: Path) -> list[Registered]:
        (tmp_path / "mlflow.db").write_bytes(databases["three"].read_bytes())
        return registry.versions("toy")[::-1]

    @pytest.fixture
    def again(self) -> Callable[[], Registry]:
        return Mlflow

    def test_asking_makes_no_database(self, tmp_path: Path) -> None:
        assert Mlflow().names() == []
        with pytest.raises(RegistryError, match=r"mlflow\.db"):
            Mlflow().versions("toy")
        assert list(tmp_path.iterdir()) == []

    def test_a_move_that_breaks_off_before_the_alias_is_set_never_was(
        self, registry: Registry, three: list[Registered], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        registry.point("toy", promoted(1, None))
        with monkeypatch.context() as patch:
            patch.setattr("mlflow.MlflowClient.set_registered_model_alias", _killed)
            with pytest.raises(KeyboardInterrupt):
                registry.point("toy", promoted(2, 1))
        assert registry.find("toy", "production").version == 1
        assert registry.history("toy") == [promoted(1, None)]
        registry.point("toy", promoted(3, 1))
        assert registry.history("toy") == [promoted(1, None), promoted(3, 1)]

    def test_a_move_that_breaks_off_after_the_alias_is_set_took_place(
        self, registry: Registry, three: list[Registered], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from mlflow import MlflowClient

        def killed_at_the_end(client: MlflowClient, name: str, key: str, value: str) -> None:
            if '"done"' in value:
                raise KeyboardInterrupt
            tag(client, name, key, value)

        tag = MlflowClient.set_registered_model_tag
        with monkeypatch.context() as patch:
            patch.setattr("mlflow.MlflowClient.set_registered_model_tag", killed_at_the_end)
            with pytest.raises(KeyboardInterrupt):
                registry.point("toy", promoted(2, None))
        assert registry.history("toy") == [promoted(2, None)]
        registry.point("toy", promoted(3, 2))
        assert registry.history("toy") == [promoted(2, None), promoted(3, 2)]

    def test_a_bundle_that_was_not_uploaded_whole_is_no_version(
        self, registry: Registry, bundles: list[Bundle], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bundles[0].layout.settings.unlink()  # the last one listed: the rest is uploaded by then
        with pytest.raises(RegistryError, match="No such file"):
            registry.add(bundles[0], "toy", facts_for(bundles[0]))
        assert registry.names() == []

    def test_only_what_the_manifest_lists_is_kept(
        self, registry: Registry, bundles: list[Bundle], tmp_path: Path
    ) -> None:
        (bundles[0].path / "notes.txt").write_text("private", "utf-8")
        version = registry.add(bundles[0], "toy", facts_for(bundles[0]))
        (tmp_path / "download").mkdir()
        registry.download(version, tmp_path / "download")
        assert not (tmp_path / "download" / "notes.txt").exists()

    def test_models_of_others_in_the_same_mlflow_are_left_alone(
        self, registry: Registry, three: list[Registered], tmp_path: Path
    ) -> None:
        from copydesk import mlflow_client

        client = mlflow_client.open_client()
        client.create_registered_model("others")
        client.create_model_version("toy", str(tmp_path), await_creation_for=0)
        assert registry.names() == ["toy"]
        assert [one.version for one in registry.versions("toy")] == [3, 2, 1]
        with pytest.raises(RegistryError, match="no version 4"):
            registry.find("toy", 4)

    def test_an_alias_that_another_tool_moved_is_where_it_is(self, registry: Registry, three: list[Registered]) -> None:
        from copydesk import mlflow_client

        registry.point("toy", promoted(1, None))
        mlflow_client.open_client().set_registered_model_alias("toy", "production", "3")
        assert registry.find("toy", "production").version == 3
        with pytest.raises(Stale, match="leads to version 3"):
            registry.point("toy", promoted(2, 1))
        registry.point("toy", promoted(2, 3))
        assert registry.history("toy") == [promoted(1, None), promoted(2, 3)]

    def test_without_the_whole_of_mlflow_a_database_file_is_told_how_to_be_read(
        self, registry: Registry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("copydesk.registry.mlflow.find_spec", lambda name: None)
        with pytest.raises(MissingExtra, match=r"sqlalchemy is not installed.*copydesk\[train\]"):
            registry.names()


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


WATCHED = """
from copydesk import mlflow_client
client = mlflow_client.open_client()
from mlflow.telemetry.client import get_telemetry_client
print(get_telemetry_client())
run = client.create_run(mlflow_client.experiment_id(client, "toy"))
client.set_terminated(run.info.run_id)
"""


def test_mlflow_reports_to_nobody_and_prints_nothing(databases: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(databases["empty"].read_bytes())
    hidden = {"CI", "GITHUB_ACTIONS", "PYTEST_CURRENT_TEST", "MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK"}
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    done = subprocess.run([sys.executable, "-c", WATCHED], capture_output=True, text=True, env=environment, check=False)
    assert (done.stdout, done.stderr) == ("None\n", "")


def test_a_place_in_a_models_address_is_refused() -> None:
    with pytest.raises(UsageError, match="MLFLOW_TRACKING_URI"):
        Mlflow("somewhere")
