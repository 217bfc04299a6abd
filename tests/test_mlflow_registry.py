"""The registry in MLflow's database file: what every registry does, and what is MLflow's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from copydesk.registry.base import Registry
from copydesk.registry.mlflow import Mlflow
from registry_contract import RegistryContract

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of MLflow about SQLAlchemy, both current


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a database with MLflow's tables, which take seconds to make."""
    from copydesk import mlflow_client

    folder = tmp_path_factory.mktemp("mlflow")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        mlflow_client.open_client().search_registered_models()
    return folder / mlflow_client.DATABASE


class TestMlflow(RegistryContract):
    @pytest.fixture
    def registry(self, empty_database: Path, tmp_path: Path) -> Registry:
        (tmp_path / "mlflow.db").write_bytes(empty_database.read_bytes())
        return Mlflow()

    @pytest.fixture
    def again(self) -> Callable[[], Registry]:
        return Mlflow
