"""The Python client against a real server with keys, jobs and feedback: no part of either is a stand-in."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from copydesk.client import AsyncClient, Client, Patience
from copydesk.errors import BodyTooLarge, InvalidRequest, JobFailed, Unauthorised, UnknownJob, Unreachable
from copydesk.recipe import parse_recipe
from copydesk.runtime.engine import Classifier
from copydesk.training import train_bundle
from fakes import toy_rows
from server_process import ServerProcess, server_process

pytestmark = pytest.mark.e2e

KEY = "correct-horse-battery"
TEXTS = [text for text, _ in toy_rows(300)]


@pytest.fixture(scope="module")
def bundle(toy_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COPYDESK_TRACKING", "off")
        recipe = parse_recipe({"name": "toy", "model": {"kind": "linear"}, "serve": {"max_batch_texts": 64}})
        return train_bundle(recipe, data=toy_csv, out=tmp_path_factory.mktemp("bundles") / "linear").path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="module")
def server(bundle: Path, folder: Path) -> Iterator[ServerProcess]:
    (folder / "keys").write_text(f"desk {KEY}\n")
    with server_process(bundle, folder, "--api-keys", "keys") as found:
        yield found


@pytest.fixture
def client(server: ServerProcess) -> Iterator[Client]:
    with Client(server.url, api_key=KEY) as client:
        yield client


def test_a_list_longer_than_the_servers_limit_gets_the_answers_of_predict(client: Client, bundle: Path) -> None:
    answers = client.classify(TEXTS, scores=True)
    expected = Classifier.load(bundle).predict(TEXTS, scores=True)
    assert [one.label for one in answers] == [one.label for one in expected]
    assert [one.scores for one in answers] == [pytest.approx(one.scores, abs=1e-5) for one in expected]
    assert len({one.id for one in answers}) == len(TEXTS)
    assert {one.model for one in answers} == {answers[0].model} and answers[0].model.name == "toy"


def test_the_served_model_is_described(client: Client) -> None:
    (model,) = client.models()
    assert (model.name, model.task, sorted(model.labels)) == ("toy", "single", ["money", "sport"])
    assert model.limits.max_batch_texts == 64 and model.kind == "linear"
    assert model.headline is not None and 0.8 < model.headline.value <= 1


def test_feedback_is_kept(client: Client, folder: Path) -> None:
    answer = client.classify(TEXTS[0])
    client.feedback(answer, label="money", text=TEXTS[0], comment="half a 💶")
    kept = json.loads((folder / "serving" / "feedback.jsonl").read_text("utf-8").splitlines()[-1])
    assert (kept["id"], kept["label"], kept["comment"]) == (answer.id, "money", "half a 💶")
    with pytest.raises(InvalidRequest, match="body.label"):
        client.feedback(answer, label="weather")


def test_a_job_is_done_told_of_and_its_answers_are_those_of_classify(client: Client) -> None:
    job = client.submit(TEXTS, idempotency_key="once")
    assert client.submit(TEXTS, idempotency_key="once").id == job.id
    states = list(client.progress(job))
    assert states[-1].status == "succeeded" and states[-1].done == len(TEXTS)
    answers = client.wait(job, timeout_s=60)
    assert [one.label for one in answers] == [one.label for one in client.classify(TEXTS)]
    assert client.job(job.id).status == "succeeded"


def test_a_job_that_was_cancelled_or_never_was_is_told_apart(client: Client) -> None:
    job = client.submit(TEXTS * 300)
    assert client.cancel(job).status == "cancelled"
    assert client.job(job).status == "cancelled"
    with pytest.raises(JobFailed, match="was cancelled"):
        client.wait(job)
    with pytest.raises(UnknownJob):
        client.job("nobody")


def test_refusals_have_their_kinds(server: ServerProcess, client: Client) -> None:
    with Client(server.url) as stranger, pytest.raises(Unauthorised, match="API key"):
        stranger.classify("goal")
    with pytest.raises(InvalidRequest, match=r"body\.texts\.70: The text is empty"):
        client.classify([*TEXTS[:70], " ", *TEXTS[70:]])
    with pytest.raises(BodyTooLarge):
        client.classify("x" * 10_000_000)


def test_many_tasks_share_an_async_client(server: ServerProcess) -> None:
    async def ask() -> list[str | None]:
        async with AsyncClient(server.url, api_key=KEY) as client:
            answers = await asyncio.gather(*(client.classify(text) for text in TEXTS))
            states = [state async for state in client.progress(await client.submit(TEXTS[:10]))]
            assert states[-1].status == "succeeded" and (await client.health()).ready
            return [one.label for one in answers]

    with Client(server.url, api_key=KEY) as client:
        assert asyncio.run(ask()) == [one.label for one in client.classify(TEXTS)]


def test_a_client_outlasts_a_restart(bundle: Path, tmp_path: Path) -> None:
    with server_process(bundle, tmp_path) as first, Client(first.url) as client:
        assert client.classify("goal match").label == "sport"
    with Client(first.url, patience=Patience(deadline_s=0.5)) as client, pytest.raises(Unreachable, match="asked"):
        client.classify("goal match")
    with Client(first.url, patience=Patience(deadline_s=60)) as client:
        found: list[str | None] = []
        thread = threading.Thread(target=lambda: found.append(client.classify("goal match").label))
        thread.start()
        with server_process(bundle, tmp_path, port=first.port):
            thread.join(60)
        assert found == ["sport"]
