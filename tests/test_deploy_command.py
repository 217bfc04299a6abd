from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import redis
import yaml
from typer.testing import CliRunner

from copydesk.cli.main import app
from copydesk.deployment.celery import REDIS_ARGUMENTS
from deployed import EXAMPLE, WITH_JOBS, manifests, variant
from prometheus_server import needed as prometheus_needed
from redis_server import needed as redis_needed

JOBS = [part for key, value in WITH_JOBS.items() for part in ("--set", f"{key}={json.dumps(value)}")]


def _render(*arguments: str) -> tuple[int, str, str]:
    found = CliRunner().invoke(app, ["deploy", "render", *arguments])
    return found.exit_code, found.stdout, found.stderr


def test_a_project_is_rendered_with_one_command() -> None:
    shutil.copy(EXAMPLE, "deploy.yaml")
    code, out, said = _render("kubernetes", *JOBS)
    assert code == 0 and out.splitlines()[-1] == "manifests: rendered/kubernetes"
    assert "next: kubectl apply -k rendered/kubernetes" in out and "COPYDESK_LOG" in said
    assert set(manifests("kubernetes", variant("jobs"))) == {
        path.relative_to("rendered/kubernetes").as_posix() for path in Path("rendered/kubernetes").rglob("*.yaml")
    }
    code, out, _ = _render("vertex", "--json", "--out", "a b")
    found = json.loads(out)
    assert code == 0 and found["files"] == ["a b/custom-job.yaml"]
    assert found["next"].endswith("--display-name clickbait --config 'a b'/custom-job.yaml")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["cloudrun"], "'deploy.yaml' do not exist"),
        (["cloudrn", "--settings", str(EXAMPLE)], "Known: cloudrun"),
        (["cloudrun", "--settings", str(EXAMPLE), "--set", "serve.cpu=4"], "Did you mean 'cpus'"),
        (["cloudrun", "--settings", str(EXAMPLE), "--set", "serve"], "not KEY=VALUE"),
        (["cloudrun", "--settings", str(EXAMPLE), "--out", str(EXAMPLE)], "is a file"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(arguments: list[str], says: str) -> None:
    code, out, said = _render(*arguments)
    assert (code, out) == (2, "") and says in said and "Traceback" not in said
    assert not Path("rendered").exists()


def test_a_real_prometheus_takes_the_rules_and_the_scraping(tmp_path: Path) -> None:
    prometheus_needed()
    found = manifests("kubernetes", variant("jobs"))
    (scraping,) = found["prometheus/scrape.yaml"][0]["scrape_configs"]
    (asked,) = scraping.pop("kubernetes_sd_configs")  # Debian's Prometheus is built without Kubernetes
    assert asked == {"role": "pod", "namespaces": {"names": ["copydesk"]}}
    static = {"scrape_configs": [{**scraping, "static_configs": [{"targets": ["api:8000"]}]}]}
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(static))
    promtool = ["promtool", "check"]
    subprocess.run([*promtool, "config", "prometheus.yml"], cwd=tmp_path, check=True, capture_output=True)
    rules = found["prometheus/adapter-values.yaml"][0]["rules"]
    queries = [
        rule["metricsQuery"]
        .replace("<<.Series>>", rule["seriesQuery"].partition("{")[0])
        .replace("<<.LabelMatchers>>", 'namespace="copydesk",pod=~"a|b"')
        .replace("<<.GroupBy>>", "namespace,pod")
        for kind in rules.values()
        for rule in kind
    ]
    recorded = [{"record": f"asked:{number}", "expr": query} for number, query in enumerate(queries)]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "asked", "rules": recorded}]}))
    subprocess.run([*promtool, "rules", "rules.yml"], cwd=tmp_path, check=True, capture_output=True)


def test_a_real_redis_takes_what_it_is_told(tmp_path: Path) -> None:
    redis_needed()
    (tmp_path / "redis.conf").write_text("requirepass a-password-of-this-test\n")
    own = {"/etc/redis/redis.conf": str(tmp_path / "redis.conf"), "/data": str(tmp_path)}
    place = tmp_path / "redis.sock"
    command = ["redis-server", *(own.get(argument, argument) for argument in REDIS_ARGUMENTS)]
    server = subprocess.Popen([*command, "--port", "0", "--unixsocket", str(place)], stdout=subprocess.DEVNULL)
    try:
        ends_at = time.monotonic() + 20
        while not place.exists() and time.monotonic() < ends_at:
            time.sleep(0.02)
        client = redis.Redis(unix_socket_path=str(place), password="a-password-of-this-test", decode_responses=True)
        told = client.config_get("appendonly", "appendfsync", "maxmemory-policy")
        assert told == {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction"}
        client.config_set("maxmemory", client.info("memory")["used_memory"] - 1)
        with pytest.raises(redis.exceptions.OutOfMemoryError):
            client.set("one", "more")
        client.close()
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(unix_socket_path=str(place)).ping()
    finally:
        server.terminate()
        server.wait(30)
