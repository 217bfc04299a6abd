from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from copydesk.deployment import Settings, json_schema, load_settings, parse_settings
from copydesk.deployment.commented import Because, commented, plain
from copydesk.deployment.settings import Accelerator
from copydesk.errors import RecipeError
from copydesk.recipe.base import sections_of
from deployed import example
from published import schemas

ROOT = Path(__file__).parent.parent
HOSTILE = [
    "yes",
    "NO",
    "null",
    "~",
    "1e3",
    "0x10",
    "0o7",
    "1_000",
    "12:30:45",
    "2026-11-22",
    ".5",
    ".inf",
    "=",
    "<<",
    "",
    " ",
    "a: b",
    "a #b",
    "- a",
    "{a: b}",
    "[a]",
    "&a",
    "*a",
    "!!python/object:os.system",
    "|",
    ">",
    "%TAG",
    "---",
    "...",
    "a\nb: c",
    "a\r\nb",
    "\t",
    "'\"'",
    "`$(reboot)`",
    "\x00\x1b",
    "é\u2028ü\u0085",
    "日本",
    "x" * 5_000,
]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_becomes_anything_but_itself(text: str) -> None:
    document = {"plain": text, "list": [text, Because(text, "why")], text or "key": Because({"deep": text}, "why")}
    written = commented([document, document], head="made\nby a test")
    assert list(yaml.safe_load_all(written)) == [plain(document)] * 2


def test_texts_that_other_readers_take_for_numbers_or_truth_are_quoted() -> None:
    for text in ("1e3", "0o7", "yes", "on", "n", "1_000", "true", "123", "-5", "~"):
        assert f'key: "{text}"' in commented([{"key": text}])
    assert "key: copydesk-serve" in commented([{"key": "copydesk-serve"}])


def test_reasons_stand_above_what_they_explain() -> None:
    written = commented([{"a": {"b": Because(1, "first " * 40), "c": [Because({"d": 2}, "second")]}}])
    lines = written.splitlines()
    assert lines[lines.index("  b: 1") - 1].startswith("  # first") and max(map(len, lines)) <= 120
    assert lines[lines.index("    - d: 2") - 1] == "    # second"


def test_an_unknown_key_is_refused_with_the_nearest() -> None:
    with pytest.raises(RecipeError, match=r"unknown key 'serve\.cpu'\. Did you mean 'cpus'"):
        example(serve__cpu=2)
    with pytest.raises(RecipeError, match="unknown key 'imges'. Did you mean 'images'"):
        example(imges={})


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("name", "Clickbait", "no name"),
        ("name", "a" * 43, "no name"),  # NAME-worker is a worker pool's name on Cloud Run, which takes fewer than 50
        ("name", "a\nb", "no name"),
        ("name", "a-", "no name"),
        ("images.serve", "copydesk-serve", "no image with a tag"),
        ("images.serve", "copydesk-serve:latest", "no image with a tag"),
        ("images.serve", "copydesk-serve:1 --privileged", "no image with a tag"),
        ("images.serve", "HOST/copydesk:1", "no image with a tag"),
        ("model", "gs://Bad_Bucket/x", "no address"),
        ("model", "gs://newsroom/../x", "no address"),
        ("model", "gs://newsroom", "no address"),
        ("model", "models:/clickbait@v3", "no alias"),
        ("model", "s3://bucket/x", "no model"),
        ("model", "bundles/clickbait-1", "no folder"),
        ("model", "/srv/a b", "no folder"),
        ("google.project", "x", "no project"),
        ("google.region", "europe", "no region"),
        ("google.service_account", "me@example.org", "no service account"),
        ("google.network", "newsroom", "go together"),
        ("secrets.COPYDESK_API_KEYS", "MY SECRET", "no secret's name"),
        ("secrets.PATH", "x", "no secret that Copydesk reads"),
        ("environment.COPYDESK_API_KEYS", "0123456789abcdef", "is a secret"),
        ("environment.DB_PASSWORD", "x", "is a secret"),
        ("environment.MLFLOW_TRACKING_URI", "https://me:hunter2@mlflow.example.org", "holds a password"),
        ("environment.A-B", "x", "no name of an environment variable"),
        ("serve.cpus", 3, "1, 2, 4, 6 or 8"),
        ("serve.memory_mb", 16, "not between"),
        ("serve.min_instances", 11, "more than max_instances"),
        ("jobs.own_redis", True, "set store: redis"),
        ("train.recipe", "recipe.yaml", "no address"),
        ("train.accelerator", "NVIDIA_K80", "NVIDIA_L4"),
        ("kubernetes.reaches", [{"port": 1}], "one of them"),
        ("kubernetes.reaches", [{"port": 1, "cidr": "10.0.0.256/8"}], "no range of addresses"),
        ("kubernetes.reaches", [{"port": 1, "cidr": "10.0.0.0/33"}], "no range of addresses"),
        ("torchrun.recipe", "/etc/passwd", "no path"),
        ("torchrun.recipe", "a/../b", "no path"),
        ("torchrun.gpus", 2, "each process takes one GPU"),
    ],
)
def test_what_no_cloud_would_take_is_refused(key: str, value: Any, says: str) -> None:
    with pytest.raises(RecipeError, match=re.escape(says)):
        example(**{key.replace(".", "__"): value})


@pytest.mark.parametrize(
    "image",
    [
        "redis:7.4-alpine",
        "localhost:5000/copydesk-serve:1",
        "europe-west1-docker.pkg.dev/a-b/c/d:0.1.0",
        "ghcr.io/news/copydesk@sha256:" + "0" * 64,
        "ghcr.io/news/copydesk:1.2@sha256:" + "0" * 64,
    ],
)
def test_images_that_stay_what_they_are_are_taken(image: str) -> None:
    assert example(images__serve=image).images.serve == image


@pytest.mark.parametrize(
    ("key", "start"), [("model", "/opt/"), ("model", "gs://newsroom/"), ("torchrun.recipe", ""), ("images.serve", "")]
)
def test_a_mistake_at_the_end_of_a_long_name_is_found_at_once(key: str, start: str) -> None:
    code = f"""
from deployed import example
from copydesk.errors import RecipeError
try:
    example(**{{{key.replace(".", "__")!r}: {start!r} + "long-name-of-a-model" * 3 + " x"}})
except RecipeError:
    raise SystemExit(0)
raise SystemExit("it was taken")
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT / "tests", check=True, timeout=60)


def test_a_password_that_is_refused_is_not_repeated() -> None:
    with pytest.raises(RecipeError) as refused:
        example(environment__MLFLOW_TRACKING_URI="https://me:hunter2@mlflow.example.org")
    assert "hunter2" not in str(refused.value)


def test_names_of_networks_may_be_as_long_as_google_has_them() -> None:
    assert example(google__network="n" * 63, google__subnet="s" * 63).google


def test_files_that_are_no_settings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="do not exist"):
        load_settings(tmp_path / "deploy.yaml")
    for text, says in (("- a\n", "list"), ("name: a\nname: b\n", "twice"), ("name: [\n", "not valid YAML")):
        (tmp_path / "deploy.yaml").write_text(text)
        with pytest.raises(RecipeError, match=says):
            load_settings(tmp_path / "deploy.yaml")
    with pytest.raises(RecipeError, match="'model' is missing"):
        parse_settings({"name": "a", "images": {"serve": "a:1"}})


def test_the_published_json_schema_is_the_settings() -> None:
    assert json.loads((ROOT / "docs" / "deploy.schema.json").read_text("utf-8")) == json_schema()


def test_every_key_of_the_settings_is_documented() -> None:
    pages = "".join(
        (ROOT / "docs" / f"{name}.md").read_text("utf-8") for name in ("cloud", "kubernetes", "distributed")
    )

    def keys(section: Any) -> set[str]:
        own = set(section.model_fields)
        return own.union(*(keys(part) for key in own for part in sections_of(section, key)))

    missing = {key for key in keys(Settings) if f"`{key}`" not in pages and f".{key}`" not in pages}
    assert not missing


def test_accelerators_are_those_that_vertex_has() -> None:
    machine = schemas("aiplatform.v1")["GoogleCloudAiplatformV1MachineSpec"]["properties"]["acceleratorType"]
    current = {name for name, old in zip(machine["enum"], machine["enumDeprecated"], strict=True) if not old}
    assert set(Accelerator.__args__) <= current  # type: ignore[attr-defined]
