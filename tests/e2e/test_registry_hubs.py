"""The commands against the Hugging Face Hub and W&B, each on this machine: from a trained bundle to a rollback."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import wandb

from copydesk.registry.moves import Mover, promote
from copydesk.registry.references import registry_at
from hub_server import ModelHub
from servers import running
from wandb_server import WandbServer

pytestmark = pytest.mark.e2e
TEXT = "the striker scored a late goal in the match"


@contextmanager
def _hub() -> Iterator[dict[str, str]]:
    with running(ModelHub({"hf_secret": "team"})) as server:
        switches = {"HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}
        yield {**switches, "HF_ENDPOINT": server.root, "HF_TOKEN": "hf_secret"}


@contextmanager
def _wandb() -> Iterator[dict[str, str]]:
    with running(WandbServer("k" * 40)) as server:
        yield {"WANDB_BASE_URL": server.root, "WANDB_API_KEY": "k" * 40, "WANDB_MODE": "online"}
        wandb.teardown()  # its process in this one; those of the commands ended with them


def _copydesk(*arguments: str) -> str:
    done = subprocess.run([sys.executable, "-m", "copydesk", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "secret" not in done.stdout + done.stderr and "kkkk" not in done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("place", "address", "numbered", "named"),
    [
        (_hub, "hf://team", "hf://team/toy@v{}", "hf://team/toy@production"),
        (_wandb, "wandb://team/desk", "wandb://team/desk/toy:v{}", "wandb://team/desk/toy:production"),
    ],
    ids=["hub", "wandb"],
)
def test_a_model_is_registered_promoted_asked_and_rolled_back(
    place: object,
    address: str,
    numbered: str,
    named: str,
    toy_csv: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = tmp_path / "toy.yaml"
    recipe.write_text("name: toy\nmodel: {kind: linear}\n")
    for seed in ("1", "2"):
        _copydesk("train", str(recipe), "--data", str(toy_csv), "--out", f"b{seed}", "--set", f"train.seed={seed}")
    with place() as variables:  # type: ignore[operator]
        own = dict.fromkeys(("WANDB_CACHE_DIR", "WANDB_DATA_DIR", "WANDB_CONFIG_DIR"), str(tmp_path / "wandb"))
        for name, value in {**own, **variables}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        assert numbered.format(1) in _copydesk("register", "b1", "--to", address)
        assert "staging" in _copydesk("register", "b2", "--to", address, "--alias", "staging")
        assert numbered.format(2) in _copydesk("register", "b2", "--to", address)
        registry = registry_at(address)
        first, second = (registry.find("toy", number) for number in (1, 2))
        promote(registry, first, None, Mover("ada", "2026-11-21T10:00:00+00:00"))
        promote(registry, second, first, Mover("ada", "2026-11-21T10:00:01+00:00"))
        assert "sport" in _copydesk("predict", named, TEXT)
        assert "version 1 (was 2)" in _copydesk("rollback", "toy", "--registry", address, "--reason", "slow")
        listed = json.loads(_copydesk("models", "toy", "--registry", address, "--json"))
        assert [(one["version"], one["aliases"]) for one in listed["versions"]] == [
            (2, ["staging"]),
            (1, ["production"]),
        ]
        assert [change["action"] for change in listed["history"] if change["alias"] == "production"] == [
            "promoted",
            "promoted",
            "rolled back",
        ]
        assert "sport" in _copydesk("predict", named, TEXT)
