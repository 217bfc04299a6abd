"""The rules that deploy/compose.yaml keeps; tests/e2e/test_compose_processes.py runs its services as processes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from compose_file import COMPOSE, DEPLOY, read_compose
from compose_processes import LEFT_OUT, PORTS, Processes
from dockerfile import inherited, read_dockerfile, words

MODEL = {"COPYDESK_MODEL": "models:/toy@production"}
STACK = read_compose(COMPOSE, MODEL)
SERVICES = STACK.services
each = pytest.mark.parametrize("name", [*SERVICES])
BOTH = [COMPOSE, DEPLOY / "monitoring.compose.yml"]


def test_there_are_these_services() -> None:
    assert {*SERVICES} == {
        "api", "worker", "monitor", "train", "redis", "mlflow", "postgres", "prometheus", "grafana",
    }  # fmt: skip


def test_every_service_is_run_as_a_process_or_left_out_for_a_reason() -> None:
    assert {*PORTS, "worker", *LEFT_OUT} == {*SERVICES}


def test_both_files_are_what_the_published_schema_says() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", *map(str, BOTH)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@each
def test_a_service_can_write_nowhere_but_where_it_must_and_may_gain_no_rights(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True and service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service and "cap_add" not in service and "network_mode" not in service
    assert not any("docker.sock" in mount for mount in service["volumes"])
    assert all(mount.startswith(("/tmp", "/var/run/")) for mount in service["tmpfs"])  # noqa: S108 (in the container)
    bound = [mount for mount in service["volumes"] if mount.startswith("/")]
    assert all(mount.endswith(":ro") for mount in bound)


@each
def test_a_service_is_limited_watched_and_given_time_to_end(name: str) -> None:
    service = SERVICES[name]
    assert {"cpus", "memory"} <= service["deploy"]["resources"]["limits"].keys()
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}
    if name == "train":
        assert service["healthcheck"] == {"disable": True} and service["restart"] == "no"
        assert service["profiles"] == ["train"], "it is not started with the others"
        return
    assert service["restart"] == "unless-stopped"
    assert service["healthcheck"]["test"][0] == "CMD", "no shell"
    assert float(service.get("stop_grace_period", "10s").removesuffix("s")) >= 10


@each
def test_what_is_published_listens_on_this_machine_only(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


def test_the_stores_are_reached_by_those_who_need_them_and_by_nobody_outside() -> None:
    members = {
        network: {name for name, one in SERVICES.items() if network in one["networks"]} for network in STACK.networks
    }
    assert members == {
        "edge": {"api", "train", "mlflow"},
        "queue": {"api", "worker", "redis"},
        "database": {"api", "worker", "monitor", "mlflow", "postgres"},
        "registry": {"api", "worker", "monitor", "train", "mlflow"},
        "metrics": {"api", "monitor", "prometheus", "grafana"},
    }
    assert {name for name, network in STACK.networks.items() if network and network.get("internal")} == {
        "queue", "database", "registry",
    }  # fmt: skip
    for name in ("redis", "postgres"):
        assert "ports" not in SERVICES[name]
        assert all(STACK.networks[network]["internal"] for network in SERVICES[name]["networks"])


def test_redis_refuses_before_its_container_is_ended() -> None:
    command, limits = SERVICES["redis"]["command"], SERVICES["redis"]["deploy"]["resources"]["limits"]
    assert (command[command.index("--maxmemory") + 1], limits["memory"]) == ("768mb", "1g")


@each
def test_who_depends_on_a_service_waits_until_it_is_healthy(name: str) -> None:
    for other, needed in SERVICES[name].get("depends_on", {}).items():
        assert needed == {"condition": "service_healthy"} and "healthcheck" in SERVICES[other]


def test_secrets_are_files_without_a_default_and_no_password_is_in_the_environment() -> None:
    assert all(re.search(r"deploy/secrets/[\w-]+$", secret["file"]) for secret in STACK.secrets.values())
    for service in SERVICES.values():
        for key, value in service.get("environment", {}).items():
            assert "PASSWORD" not in key or key.endswith(("_FILE", "__FILE")), key
            assert not re.search(r"://[^/]*:[^/]*@", str(value)), key
    used = {secret for service in SERVICES.values() for secret in service.get("secrets", [])}
    assert used == {*STACK.secrets}


def test_the_script_writes_every_secret_once_and_closes_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    for _ in range(2):
        done = subprocess.run([DEPLOY / "make_secrets", folder], check=True, capture_output=True, text=True)
        contents = {file.name: file.read_text("utf-8") for file in folder.iterdir()}
    assert done.stdout.count("kept: ") == len(contents) and "written" not in done.stdout
    assert {*contents} == {Path(secret["file"]).name for secret in STACK.secrets.values()}
    assert folder.stat().st_mode & 0o777 == 0o700
    randoms = [found for text in contents.values() for found in re.findall("[0-9a-f]{48}", text)]
    assert len({*randoms}) == len(randoms) == len(contents)


def test_a_model_must_be_named() -> None:
    with pytest.raises(ValueError, match="COPYDESK_MODEL is missing a value: name the model"):
        read_compose(COMPOSE, {})


def test_a_project_that_includes_the_file_gets_the_same_services_and_paths(tmp_path: Path) -> None:
    (tmp_path / "deploy").symlink_to(DEPLOY)
    (tmp_path / "compose.yaml").write_text("include:\n  - deploy/compose.yaml\n", "utf-8")
    assert read_compose(tmp_path / "compose.yaml", MODEL) == STACK


def test_a_name_that_an_included_file_has_too_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("services: {api: {image: a}}\n", "utf-8")
    (tmp_path / "b.yaml").write_text("include: [a.yaml]\nservices: {api: {image: b}}\n", "utf-8")
    with pytest.raises(ValueError, match="api"):
        read_compose(tmp_path / "b.yaml", {})


def test_every_file_and_stage_that_is_named_exists() -> None:
    stages = read_dockerfile()
    for service in SERVICES.values():
        for mount in service["volumes"]:
            source = mount.split(":")[0]
            assert Path(source).exists() if source.startswith("/") else source in STACK.volumes
        if "build" in service:
            assert service["build"]["target"] in stages
            assert (Path(service["build"]["context"]) / service["build"]["dockerfile"]).is_file()


def test_images_that_are_fetched_are_pinned_to_a_version() -> None:
    fetched = {service["image"] for service in SERVICES.values() if "build" not in service}
    assert fetched == {"redis:7.4-bookworm", "postgres:17-bookworm", "prom/prometheus:v3.5.0", "grafana/grafana:12.1.0"}


@pytest.mark.parametrize("name", ["api", "worker", "mlflow"])
def test_a_health_check_is_that_of_the_image(name: str) -> None:
    _, _, command = (inherited(read_dockerfile(), SERVICES[name]["build"]["target"], "HEALTHCHECK") or "").partition(
        "CMD "
    )
    assert SERVICES[name]["healthcheck"]["test"][1:] == words(command)


def test_a_port_is_the_one_that_the_others_ask_for(tmp_path: Path) -> None:
    stack = Processes(tmp_path / "stack", MODEL)
    text = (tmp_path / "stack" / "prometheus" / "prometheus.yml").read_text("utf-8")
    for name in ("api", "monitor", "prometheus"):
        assert f'"127.0.0.1:{stack.ports[name]}"' in text
    assert f"host=127.0.0.1\nport={stack.ports['postgres']}\n" in stack.secret("copydesk-database")
    assert stack.here("redis://redis:6379/0") == f"redis://127.0.0.1:{stack.ports['redis']}/0"
