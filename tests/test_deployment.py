from __future__ import annotations

import shlex
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from copydesk import errors
from copydesk.cli.main import app
from copydesk.deployment import TARGETS, render, write
from copydesk.deployment.capacity import BATCH_TOKENS, GRACE_S
from copydesk.deployment.kubernetes import OPEN_JOBS, OVERLOADED, QUEUE_METRIC, REFUSED_METRIC
from copydesk.errors import CopydeskError, UsageError
from copydesk.models.compiled import BATCH_TOKENS as BUDGET
from copydesk.serve import process
from copydesk.serve.metrics import DECLARED, JOBS
from deployed import BUCKET, VARIANTS, WITH_JOBS, containers, example, manifests, one, variant
from promql import selectors
from published import (
    documented_annotations,
    google_faults,
    kubernetes_faults,
    pod_security_faults,
    pod_template_faults,
)

JUDGED_ELSEWHERE = {"kustomization.yaml", "prometheus/adapter-values.yaml", "prometheus/scrape.yaml"}
RAY_JOB = {
    "entrypoint", "shutdownAfterJobFinishes", "ttlSecondsAfterFinished", "submitterPodTemplate", "backoffLimit",
    "rayClusterSpec",
}  # fmt: skip
"""Read from KubeRay's source (ray.io/v1, rayjob_types.go): its schema is not to be had offline."""


def _all(target: str, settings: Any) -> list[Any]:
    return [
        item for name, items in manifests(target, settings).items() if name not in JUDGED_ELSEWHERE for item in items
    ]


def _pods(value: Any) -> list[Any]:
    if isinstance(value, list):
        return [found for item in value for found in _pods(item)]
    if not isinstance(value, dict):
        return []
    own = [value] if "containers" in value else []
    return [*own, *(found for item in value.values() for found in _pods(item))]


@pytest.mark.parametrize("name", VARIANTS)
def test_a_cloud_run_service_is_what_the_published_schema_takes(name: str) -> None:
    for manifest in _all("cloudrun", variant(name)):
        if manifest["kind"] == "RunMonitoring":
            continue
        assert google_faults(manifest, "run.v1", manifest["kind"]) == []
        template = manifest["spec"]["template"]["metadata"]["annotations"]
        assert set(template) <= documented_annotations("Revision")
        assert set(manifest["metadata"].get("annotations", {})) <= documented_annotations("Service")


@pytest.mark.parametrize("name", VARIANTS)
def test_a_training_on_vertex_is_what_the_published_schema_takes(name: str) -> None:
    (job,) = _all("vertex", variant(name))
    assert google_faults(job, "aiplatform.v1", "GoogleCloudAiplatformV1CustomJobSpec") == []


@pytest.mark.parametrize("target", ["kubernetes", "torchrun"])
@pytest.mark.parametrize("name", VARIANTS)
def test_kubernetes_manifests_are_what_the_published_schemas_take(target: str, name: str) -> None:
    for manifest in _all(target, variant(name)):
        assert kubernetes_faults(manifest) == []


@pytest.mark.parametrize("name", VARIANTS)
def test_a_ray_jobs_pods_are_what_the_published_schemas_take(name: str) -> None:
    job = one("ray", variant(name), "RayJob")
    assert set(job["spec"]) == RAY_JOB
    cluster = job["spec"]["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    templates = [*(group["template"] for group in groups), job["spec"]["submitterPodTemplate"]]
    assert [fault for template in templates for fault in pod_template_faults(template)] == []
    assert all(isinstance(value, str) for group in groups for value in group["rayStartParams"].values())


@pytest.mark.parametrize("target", ["kubernetes", "torchrun", "ray"])
@pytest.mark.parametrize("name", VARIANTS)
def test_every_pod_passes_the_level_restricted(target: str, name: str) -> None:
    pods = [pod for manifest in _all(target, variant(name)) for pod in _pods(manifest)]
    assert pods and [fault for pod in pods for fault in pod_security_faults(pod)] == []


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("spec.template.spec.containerConcurency", 80, "unknown"),
        ("spec.template.spec.containerConcurrency", "80", "no integer"),
        ("spec.template.spec.timeoutSeconds", True, "no integer"),
        ("spec.template.spec.containers.0.securityContext", {"runAsUser": 1}, "Not supported"),
        ("spec.template.spec.containers.0.args", "serve", "no array"),
        ("spec.template.spec.containers.0.startupProbe.exec", {"command": ["true"]}, "Not supported"),
        ("spec.template.metadata.annotations", {"run.googleapis.com/cpu-throttling": True}, "no string"),
    ],
)
def test_a_mistake_in_a_service_is_found(path: str, value: Any, says: str) -> None:
    manifest = one("cloudrun", example(), "Service")
    _plant(manifest, path, value)
    (fault,) = google_faults(manifest, "run.v1", "Service")
    assert says in fault


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("scheduling.strategy", "CHEAP", "none of"),
        ("scheduling.strategy", "LOW_COST", "deprecated"),
        ("scheduling.timeout", "12h", "no duration"),
        ("workerPoolSpecs.0.replicaCount", 1, "no string"),
        ("workerPoolSpecs.0.machineSpec.acceleratorType", "NVIDIA_TESLA_K80", "deprecated"),
        ("workerPoolSpecs.0.containerSpec.image", "x", "unknown"),
    ],
)
def test_a_mistake_in_a_training_is_found(path: str, value: Any, says: str) -> None:
    (job,) = _all("vertex", example())
    _plant(job, path, value)
    (fault,) = google_faults(job, "aiplatform.v1", "GoogleCloudAiplatformV1CustomJobSpec")
    assert says in fault


def test_a_mistake_in_a_kubernetes_manifest_or_a_pods_rights_is_found() -> None:
    deployment = one("kubernetes", example(), "Deployment")
    for path, value in (("spec.replicas", "2"), ("spec.template.spec.containers.0.livenesProbe", {})):
        wrong = deepcopy(deployment)
        _plant(wrong, path, value)
        assert kubernetes_faults(wrong)
    pod = deployment["spec"]["template"]["spec"]
    for path, value in (
        ("containers.0.securityContext.allowPrivilegeEscalation", True),
        ("containers.0.securityContext.capabilities", {}),
        ("securityContext.runAsUser", 0),
        ("securityContext.seccompProfile", {}),
        ("hostNetwork", True),
        ("volumes.0.hostPath", {"path": "/"}),
    ):
        wrong = deepcopy(pod)
        _plant(wrong, path, value)
        assert len(pod_security_faults(wrong)) == 1, path
    assert "run.googleapis.com/cpu-throttling" in documented_annotations("Revision")
    assert "run.googleapis.com/cpu-throttling" not in documented_annotations("Service")


def _plant(value: Any, path: str, planted: Any) -> None:
    *steps, last = path.split(".")
    for step in steps:
        value = value[int(step)] if isinstance(value, list) else value[step]
    value[last] = planted


@pytest.mark.parametrize("name", VARIANTS)
def test_every_command_in_a_manifest_is_one_that_copydesk_takes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COPYDESK_JOBS", "redis://queue:6379/0")
    settings = variant(name)
    commands = [shlex.split(one("ray", settings, "RayJob")["spec"]["entrypoint"])]
    for target in ("cloudrun", "vertex", "kubernetes", "torchrun"):
        jobs = [_all(target, settings)] if target != "vertex" else []
        found = containers(jobs) or [pool["containerSpec"] for pool in _all("vertex", settings)[0]["workerPoolSpecs"]]
        commands += [
            [*one["command"], *one["args"]]
            for one in found
            if one.get("command", ["redis"])[0] != "redis-server" and "command" in one
        ]
    assert {command[0] for command in commands} <= {"copydesk", "torchrun"}
    for command in commands:
        _parse(command[command.index("copydesk") + 1 :])


@cache
def _command_line() -> Any:
    return typer.main.get_command(app)


def _parse(arguments: list[str]) -> None:
    """Parse arguments with the real command line, without running anything."""
    command = _command_line()
    with command.make_context("copydesk", [*arguments], resilient_parsing=False) as context:
        name, sub, rest = command.resolve_command(context, [*arguments])
        sub.make_context(name, rest, parent=context)


def test_scaling_goes_by_metrics_that_the_server_has() -> None:
    settings = variant("jobs")
    rules = manifests("kubernetes", settings)["prometheus/adapter-values.yaml"][0]["rules"]
    named = {rule["name"]["as"] for kind in rules.values() for rule in kind}
    asked = {
        metric.get("pods", metric.get("external", {})).get("metric", {}).get("name")
        for manifest in _all("kubernetes", settings)
        if manifest["kind"] == "HorizontalPodAutoscaler"
        for metric in manifest["spec"]["metrics"]
    } - {None}
    assert named == asked == {QUEUE_METRIC, REFUSED_METRIC, OPEN_JOBS}
    for kind in rules.values():
        for rule in kind:
            (series,) = selectors(rule["seriesQuery"])
            assert series.metric in {*DECLARED, JOBS}
            labels = DECLARED[series.metric].labels if series.metric in DECLARED else ("status",)
            query = rule["metricsQuery"].replace("<<.Series>>", series.metric)
            query = query.replace("<<.LabelMatchers>>", 'namespace="copydesk"').replace("<<.GroupBy>>", "pod")
            for selector in selectors(query):
                assert {label for label, _, _ in selector.matchers} <= {*labels, "namespace"}


def test_the_rules_go_by_what_the_server_does() -> None:
    assert process._GRACE_S == GRACE_S
    assert BUDGET == BATCH_TOKENS
    assert errors.Overloaded.__name__ == OVERLOADED  # the label that refusals are counted under


def test_a_server_ends_after_it_has_drained_and_answered() -> None:
    pod = one("kubernetes", example(serve__drain_seconds=20), "Deployment")["spec"]["template"]["spec"]
    arguments = pod["containers"][0]["args"]
    assert arguments[arguments.index("--drain") + 1] == "20"
    assert pod["terminationGracePeriodSeconds"] > 20 + GRACE_S


def test_more_cores_and_longer_queues_take_more_requests_at_once() -> None:
    def at_once(**changes: Any) -> int:
        spec = one("cloudrun", example(**changes), "Service")["spec"]["template"]["spec"]
        return int(spec["containerConcurrency"])

    assert at_once() == 121  # 328 x (0.25 + 20 texts at 164 a second)
    assert at_once(serve__cpus=4) == 242
    assert at_once(serve__queue_seconds=0.5) > at_once()
    assert at_once(serve__texts_per_request=8) == 15
    assert at_once(serve__cpus=8, serve__queue_seconds=10) == 1_000  # Cloud Run's most


def test_cores_are_kept_between_requests_where_something_goes_on() -> None:
    def throttled(**changes: Any) -> str:
        manifest = one("cloudrun", example(**changes), "Service")
        return str(manifest["spec"]["template"]["metadata"]["annotations"]["run.googleapis.com/cpu-throttling"])

    assert throttled() == "false"  # it follows an alias
    assert throttled(model="models:/clickbait/3") == "true"
    assert throttled(model="/opt/bundle") == "true"
    assert throttled(model="/opt/bundle", secrets__COPYDESK_LOG="copydesk-log") == "false"
    assert throttled(model="/opt/bundle", google__metrics_image="us-docker.pkg.dev/google/gmp-sidecar:1.2.0") == "false"
    assert throttled(model="/opt/bundle", google__cpu="always") == "false"


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("kind", ["Service", "WorkerPool"])
def test_an_instance_has_memory_for_all_that_its_cache_may_hold(name: str, kind: str) -> None:
    settings = variant(name)
    found = [item for item in _all("cloudrun", settings) if item["kind"] == kind]
    for spec in (item["spec"]["template"]["spec"] for item in found):
        memory = _mib(spec["containers"][0]["resources"]["limits"]["memory"])
        (cache,) = [volume for volume in spec["volumes"] if volume["name"] == "cache"]
        process, two_models = 243, 2 * settings.serve.model_mb  # as measured; both while versions change
        assert _mib(cache["emptyDir"]["sizeLimit"]) <= max(memory - process - two_models, 64)


def _mib(amount: str) -> int:
    return int(amount.removesuffix("Mi"))


def test_a_bucket_is_mounted_where_the_server_looks_for_its_model() -> None:
    settings = variant("bucket")
    for target, kind in (("cloudrun", "Service"), ("kubernetes", "Deployment")):
        manifest = one(target, settings, kind, "clickbait")
        spec = manifest["spec"]["template"]["spec"]
        (volume,) = [volume for volume in spec["volumes"] if "csi" in volume]
        assert volume["csi"]["volumeAttributes"]["bucketName"] == "newsroom-models" and volume["csi"]["readOnly"]
        (mount,) = [mount for mount in spec["containers"][0]["volumeMounts"] if mount["name"] == volume["name"]]
        assert spec["containers"][0]["args"][1] == f"{mount['mountPath']}/bundles/clickbait-3"


@pytest.mark.parametrize("target", ["cloudrun", "kubernetes"])
def test_secrets_are_referred_to_and_never_written(target: str) -> None:
    settings = variant("jobs")
    found = containers(_all(target, settings))
    by_name = {one["name"]: {item["name"]: item for item in one.get("env", [])} for one in found}
    assert by_name["api"]["COPYDESK_API_KEYS"]["valueFrom"]["secretKeyRef"]["name"] == "copydesk-api-keys"
    assert "COPYDESK_JOBS" in by_name["worker"] and "COPYDESK_API_KEYS" not in by_name["worker"]
    for item in by_name["api"].values():
        assert ("valueFrom" in item) == (item["name"] in settings.secrets)


@pytest.mark.parametrize("target", ["torchrun", "ray"])
def test_a_task_that_ends_gets_no_secret_of_the_server(target: str) -> None:
    settings = example(
        **{key.replace(".", "__"): value for key, value in WITH_JOBS.items()},
        secrets__COPYDESK_LOG="copydesk-log",
        secrets__HF_TOKEN="hub",
    )
    found = {item["name"] for container in containers(_all(target, settings)) for item in container["env"]}
    assert "HF_TOKEN" in found and not found & {"COPYDESK_API_KEYS", "COPYDESK_JOBS", "COPYDESK_LOG"}


def test_every_pod_of_a_ray_job_is_ours_the_one_that_submits_it_too() -> None:
    spec = one("ray", example(), "RayJob")["spec"]["submitterPodTemplate"]["spec"]
    assert pod_security_faults(spec) == [] and spec["restartPolicy"] == "Never"
    (container,) = spec["containers"]
    assert "command" not in container and not any("valueFrom" in item for item in container["env"])


@pytest.mark.parametrize("name", VARIANTS)
def test_every_machine_of_a_ray_job_has_room_for_the_files_that_it_fetches(name: str) -> None:
    cluster = one("ray", variant(name), "RayJob")["spec"]["rayClusterSpec"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        volumes = {volume["name"]: volume for volume in group["template"]["spec"]["volumes"]}
        assert set(volumes) == {"cache", "tmp"}  # a model in a bucket is fetched, as the texts are, and not mounted
        assert volumes["cache"]["emptyDir"] == {}


def test_all_that_kubectl_takes_is_in_the_kustomization_and_names_one_another() -> None:
    for name in ("example", "jobs"):
        found = manifests("kubernetes", variant(name))
        assert set(found["kustomization.yaml"][0]["resources"]) == set(found) - JUDGED_ELSEWHERE
        objects = {(item["kind"], item["metadata"]["name"]) for item in _all("kubernetes", variant(name))}
        for item in _all("kubernetes", variant(name)):
            if item["kind"] == "HorizontalPodAutoscaler":
                target = item["spec"]["scaleTargetRef"]
                assert (target["kind"], target["name"]) in objects
            if item["kind"] in ("Deployment", "StatefulSet"):
                labels = item["spec"]["template"]["metadata"]["labels"]
                assert item["spec"]["selector"]["matchLabels"] == labels
        assert len(objects) == len(_all("kubernetes", variant(name)))


def test_redis_is_reached_by_servers_and_workers_alone() -> None:
    policy = one("kubernetes", variant("jobs"), "NetworkPolicy", "clickbait-redis")["spec"]
    parts = [peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for peer in policy["ingress"][0]["from"]]
    assert sorted(parts) == ["api", "worker"] and policy["egress"] == []


def test_redis_refuses_before_its_container_is_ended() -> None:
    (container,) = one("kubernetes", variant("jobs"), "StatefulSet")["spec"]["template"]["spec"]["containers"]
    own = container["args"][container["args"].index("--maxmemory") + 1]
    limit = container["resources"]["limits"]["memory"]
    assert own.endswith("mb") and int(own.removesuffix("mb")) <= 0.75 * int(limit.removesuffix("Mi"))


def test_words_that_a_shell_would_read_are_quoted_for_ray() -> None:
    job = one("ray", example(**BUCKET), "RayJob")
    assert shlex.split(job["spec"]["entrypoint"])[:3] == [
        "copydesk",
        "score",
        "gs://newsroom-models/bundles/clickbait-3",
    ]


@pytest.mark.parametrize("target", TARGETS)
def test_rendering_again_replaces_what_was_rendered_and_nothing_else(target: str, tmp_path: Path) -> None:
    folder = tmp_path / "rendered"
    first = write(render(target, variant("jobs")), folder)
    (folder / "mine.yaml").write_text("mine: true\n")
    write(render(target, example()), folder)
    kept = {path.relative_to(folder).as_posix() for path in folder.rglob("*.yaml")}
    assert kept == {*render(target, example()).files, "mine.yaml"}
    assert {path.relative_to(folder).as_posix() for path in first} >= kept - {"mine.yaml"}
    first[0].write_text("changed: by hand\n")
    with pytest.raises(UsageError, match=first[0].name):
        write(render(target, example()), folder)
    assert first[0].read_text() == "changed: by hand\n"


def test_another_rendering_in_a_folder_below_is_not_touched(tmp_path: Path) -> None:
    production, staging = tmp_path / "cluster", tmp_path / "cluster" / "staging"
    kept = write(render("kubernetes", example()), staging)
    write(render("kubernetes", example()), production)
    assert all(path.is_file() for path in kept)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CopydeskError, match="file/below.* cannot be written: Not a directory"):
        write(render("kubernetes", example()), tmp_path / "file" / "below")


def test_what_a_target_lacks_is_named() -> None:
    with pytest.raises(UsageError, match="'google'"):
        render("cloudrun", example(google=None))
    with pytest.raises(UsageError, match=r"'train', 'images\.train'"):
        render("vertex", example(train=None, images__train=None))
    with pytest.raises(UsageError, match=r"secrets\.COPYDESK_JOBS"):
        render("kubernetes", example(jobs__store="redis"))
    with pytest.raises(UsageError, match="Known: cloudrun, vertex, kubernetes, ray, torchrun"):
        render("nomad", example())
    with pytest.raises(UsageError, match="serve.cpus"):
        render("cloudrun", example(serve__memory_mb=30_000))


def test_what_would_be_found_out_too_late_is_said() -> None:
    assert any("COPYDESK_LOG" in note for note in render("kubernetes", example()).notes)
    assert any("COPYDESK_API_KEYS" in note for note in render("kubernetes", example(secrets={})).notes)
    assert any("MLFLOW_TRACKING_URI" in note for note in render("cloudrun", example(environment={})).notes)
    assert any("no secrets" in note for note in render("vertex", example()).notes)


def test_rendering_is_the_same_every_time_and_every_file_says_what_made_it() -> None:
    for target in TARGETS:
        files = render(target, example(**{key.replace(".", "__"): value for key, value in WITH_JOBS.items()})).files
        again = render(target, example(**{key.replace(".", "__"): value for key, value in WITH_JOBS.items()})).files
        assert files == again
        assert all(text.startswith(f"# Rendered by `copydesk deploy render {target}`") for text in files.values())
        assert all(list(yaml.safe_load_all(text)) for text in files.values())
