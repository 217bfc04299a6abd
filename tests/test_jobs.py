"""What every job store promises: the same tests for the embedded one and for Celery with a real Redis."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
import redis

from copydesk.errors import ExpiredJob, InvalidRequest, JobsUnavailable, Overloaded, UnknownJob, UsageError
from copydesk.serve.job_worker import Models, work_on
from copydesk.serve.jobs import GRACE_S, JobRules, Jobs, chunks_of
from copydesk.serve.open_jobs import open_jobs
from copydesk.types import Job, ModelVersion
from job_fakes import FIRST, SECOND, CeleryOffice, Loader, Office, SqliteOffice
from redis_server import RedisServer

RULES = JobRules(chunk_texts=2, lease_s=10.0, most_faults=3, most_losses=3, keep_s=100.0, remember_s=1_000.0)
TEXTS = ("a", "b", "c", "d", "e")


def test_a_job_waits_runs_and_succeeds_with_its_answers_in_order(office: Office) -> None:
    job = office.submit(*TEXTS)
    assert (job.status, job.texts, job.done, job.model) == ("pending", 5, 0, FIRST)

    chunk = office.next()
    assert chunk is not None
    work_on(chunk, office.store, office.models)
    running = office.store.get(job.id)
    assert (running.status, running.done) == ("running", 2)

    assert office.work() == 2
    done = office.store.get(job.id)
    assert (done.status, done.done, done.error) == ("succeeded", 5, None)
    assert office.labels(job) == ["1: a", "1: b", "1: c", "1: d", "1: e"]


def test_times_say_when_it_came_ended_and_expires(office: Office) -> None:
    job = office.submit("a")
    office.clock.now += 5
    office.work()
    done = office.store.get(job.id)
    assert job.created_at == done.created_at == "2023-11-14T22:13:20.000+00:00"
    assert done.finished_at == "2023-11-14T22:13:25.000+00:00"
    assert done.expires_at == "2023-11-14T22:15:05.000+00:00"


def test_every_prediction_has_an_id_of_its_own_that_names_the_version(office: Office) -> None:
    ids = [line["id"] for line in office.lines(_worked(office, *TEXTS))]
    assert len(set(ids)) == 5 and all(one.startswith("1.") and len(one) == 18 for one in ids)


def test_all_scores_are_given_where_they_were_asked_for(office: Office) -> None:
    job = office.submit("a", scores=True)
    office.work()
    assert office.lines(job)[0]["scores"] == {"yes": 0.5}


def test_columns_and_hostile_characters_survive_the_store(office: Office) -> None:
    text = 'quote " back\\slash \u2028 \U0001f409 \x00 \ud7ff ' + "é" * 10
    job = office.submit(text)
    office.work()
    assert office.labels(job) == [f"1: {text}"]


def test_an_unknown_job_is_not_a_pending_one(office: Office) -> None:
    for call in (office.store.get, office.store.cancel):
        with pytest.raises(UnknownJob, match="no-such-job"):
            call("no-such-job")


@pytest.mark.parametrize("part", [":texts", ":chunks", " ", "\x00", "\ud800", "é" * 1_000])
def test_an_id_that_leads_elsewhere_in_the_store_is_unknown(office: Office, part: str) -> None:
    job = office.submit("a")
    office.next()
    for call in (office.store.get, office.store.cancel):
        with pytest.raises(UnknownJob) as refused:
            call(job.id + part)
        assert len(str(refused.value)) < 200


def test_the_same_key_and_request_are_the_same_job(office: Office) -> None:
    job = office.submit(*TEXTS, key="k")
    assert office.submit(*TEXTS, key="k") == job
    assert office.work() == 3
    assert office.submit(*TEXTS, key="k").status == "succeeded"
    assert office.store.counts()["succeeded"] == 1 and office.work() == 0


def test_the_same_key_with_another_request_is_refused(office: Office) -> None:
    office.submit("a", key="k")
    with pytest.raises(InvalidRequest, match=r"header\.Idempotency-Key: This key was used for job"):
        office.submit("b", key="k")
    assert sum(office.store.counts().values()) == 1


def test_other_keys_and_no_keys_are_other_jobs(office: Office) -> None:
    jobs = {office.submit("a", key=key).id for key in ("", "", "k", "l")}
    assert len(jobs) == 4


def test_a_key_is_free_again_when_its_results_have_expired(office: Office) -> None:
    job = office.submit("a", key="k")
    office.work()
    office.clock.now += RULES.keep_s
    assert office.submit("b", key="k").id != job.id


def test_results_expire_and_the_job_says_so(office: Office) -> None:
    job = _worked(office, "a")
    office.clock.now += RULES.keep_s - 0.01
    assert office.store.get(job.id).status == "succeeded"
    office.clock.now += 0.01
    with pytest.raises(ExpiredJob, match="were kept until 2023-11-14T22:15:00"):
        office.store.get(job.id)
    assert office.store.counts()["succeeded"] == 0


def test_who_reads_results_as_they_expire_reads_them_to_the_end(office: Office) -> None:
    job = _worked(office, *TEXTS)
    parts = office.store.answers(office.store.get(job.id))
    first = next(parts)
    office.clock.now += RULES.keep_s + GRACE_S / 2
    office.work()
    assert json.loads(first)[0]["label"] == "1: a" and len(list(parts)) == 2


def test_a_cancelled_job_is_not_worked_on(office: Office) -> None:
    job = office.submit(*TEXTS)
    assert office.store.cancel(job.id).status == "cancelled"
    assert office.work() == 0
    assert office.store.get(job.id).done == 0


def test_a_job_cancelled_while_it_runs_drops_what_comes_of_it(office: Office) -> None:
    job = office.submit(*TEXTS)
    chunk = office.next()
    assert chunk is not None
    office.store.cancel(job.id)
    assert not office.store.extend(chunk)
    office.store.finish(chunk, b'[{"label": "x"}, {"label": "y"}]')
    assert office.work() == 0
    assert (office.store.get(job.id).status, office.store.get(job.id).done) == ("cancelled", 0)


def test_a_job_that_has_ended_cannot_be_cancelled(office: Office) -> None:
    job = _worked(office, "a")
    assert office.store.cancel(job.id).status == "succeeded"
    assert office.labels(job) == ["1: a"]


def test_a_chunk_is_one_workers_until_its_lease_runs_out(office: Office) -> None:
    office.submit("a")
    first = office.next()
    assert first is not None
    office.clock.now += RULES.lease_s - 0.01
    assert office.next() is None
    office.clock.now += 0.01
    second = office.next()
    assert second is not None and second.texts == first.texts
    assert office.store.extend(second) and not office.store.extend(first)


def test_a_lease_that_is_renewed_holds(office: Office) -> None:
    office.submit("a")
    chunk = office.next()
    assert chunk is not None
    for _ in range(3):
        office.clock.now += RULES.lease_s - 1
        assert office.store.extend(chunk)
    assert office.next() is None


def test_of_two_answers_to_a_chunk_the_first_is_kept_and_counted_once(office: Office) -> None:
    job = office.submit("a", "b")
    slow = office.next()
    office.clock.now += RULES.lease_s
    quick = office.next()
    assert slow is not None and quick is not None
    office.store.finish(slow, b'[{"label": "slow"}, {"label": "slow"}]')
    office.store.finish(quick, b'[{"label": "quick"}, {"label": "quick"}]')
    assert office.labels(job) == ["slow", "slow"]
    assert office.store.get(job.id).done == 2


def test_a_fault_is_tried_again_after_waits_that_double(office: Office) -> None:
    office.submit("poison")
    office.work()
    waits = []
    for _ in range(2):
        start = office.clock.now
        while office.work() == 0:
            office.clock.now += 0.25
        waits.append(office.clock.now - start)
    assert waits == [1.0, 2.0]


def test_a_poison_chunk_fails_its_job_with_the_reason_and_nothing_else(office: Office) -> None:
    sick = office.submit("a", "b", "c", "poison")
    sound = office.submit("d", "e")
    while office.work():
        office.clock.now += 5
    failed = office.store.get(sick.id)
    assert failed.status == "failed"
    assert failed.error == "The model could not answer text 3: ValueError: a text that no model can read"
    assert office.labels(sound) == ["1: d", "1: e"]
    assert office.store.counts() == {"pending": 0, "running": 0, "succeeded": 1, "failed": 1, "cancelled": 0}


def test_a_fault_that_passes_costs_nothing(office: Office) -> None:
    job = office.submit("a", "b")
    chunk = office.next()
    assert chunk is not None
    office.store.fault(chunk, "the bundle's disk was away")
    office.clock.now += RULES.first_wait_s
    office.work()
    assert office.labels(job) == ["1: a", "1: b"]


def test_a_fault_told_by_a_worker_that_lost_its_claim_does_not_count(office: Office) -> None:
    job = office.submit("a")
    late = office.next()
    office.clock.now += RULES.lease_s
    present = office.next()
    assert late is not None and present is not None
    for _ in range(RULES.most_faults):
        office.store.fault(late, "too late")
    assert office.store.extend(present)
    assert office.store.get(job.id).status == "running"


def test_a_chunk_that_outlives_too_many_workers_fails_its_job(office: Office) -> None:
    job = office.submit("a", "b", "c")
    for _ in range(RULES.most_losses):
        assert office.next() is not None
        assert office.next() is not None
        office.clock.now += RULES.lease_s
    office.work()
    failed = office.store.get(job.id)
    assert (failed.status, failed.error) == ("failed", "The worker died 3 times while it answered texts 0 to 1.")


def test_a_job_runs_on_the_version_it_was_accepted_for(office: Office) -> None:
    loader = Loader()
    office.models = Models(loader)
    old = office.submit("a", "b", "c", model=FIRST)
    new = office.submit("a", model=SECOND)
    office.work()
    assert office.labels(old) == ["1: a", "1: b", "1: c"] and office.labels(new) == ["2: a"]
    assert loader.loaded == [FIRST, SECOND]


def test_what_a_model_cannot_load_fails_the_job_with_the_reason(office: Office) -> None:
    def refuse(version: ModelVersion) -> Loader:
        raise UsageError(f"'{version.path}' is no bundle.")

    office.models = Models(refuse)  # type: ignore[arg-type]
    job = office.submit("a")
    while office.work():
        office.clock.now += 5
    assert "'bundles/headlines-1' is no bundle." in (office.store.get(job.id).error or "")


def test_too_many_waiting_texts_refuse_the_next_job_but_never_the_only_one(office: Office) -> None:
    store = office.again(JobRules(most_waiting_texts=4))
    office.store, before = store, office.store
    office.submit(*TEXTS)
    with pytest.raises(Overloaded, match="5 texts of other jobs are waiting"):
        office.submit("f")
    office.work()
    office.submit("f")
    before.close()


def test_the_rules_travel_with_the_job(office: Office) -> None:
    office.submit(*TEXTS)
    other = office.again(JobRules(lease_s=1_000.0, chunk_texts=1))
    office.store, before = other, office.store
    chunk = office.next()
    assert chunk is not None and chunk.rules == RULES and len(chunk.texts) == 2
    before.close()


def test_another_process_sees_the_same_jobs(office: Office) -> None:
    job = _worked(office, *TEXTS)
    other = office.again(RULES)
    assert other.get(job.id) == office.store.get(job.id)
    assert b"".join(other.answers(job)) == b"".join(office.store.answers(job))
    other.close()


def test_jobs_are_counted_by_status(office: Office) -> None:
    _worked(office, "a")
    office.submit(*TEXTS)
    office.next()
    office.store.cancel(office.submit("b").id)
    office.submit("c")
    assert office.store.counts() == {"pending": 1, "running": 1, "succeeded": 1, "failed": 0, "cancelled": 1}


def test_many_jobs_and_workers_at_once_lose_and_double_nothing(office: Office) -> None:
    jobs = []

    def send() -> None:
        for _ in range(5):
            jobs.append(office.submit(*TEXTS))

    senders = [threading.Thread(target=send) for _ in range(4)]
    workers = [threading.Thread(target=office.work) for _ in range(4)]
    for thread in senders + workers:
        thread.start()
    for thread in senders + workers:
        thread.join()
    office.work()
    assert len({job.id for job in jobs}) == 20
    for job in jobs:
        assert office.labels(job) == [f"1: {text}" for text in TEXTS]


def test_the_same_key_sent_by_many_at_once_is_one_job(office: Office) -> None:
    ids = []
    threads = [threading.Thread(target=lambda: ids.append(office.submit(*TEXTS, key="k").id)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 8 and len(set(ids)) == 1
    assert office.work() == 3


def test_chunks_hold_no_more_texts_or_characters_than_the_rules_say() -> None:
    rules = JobRules(chunk_texts=3, chunk_chars=10)
    texts = ["aaaa", "bbbb", "cccc", {"title": "dd", "body": "ddd"}, "e", "f", "g" * 50, "h"]
    found = list(chunks_of(texts, rules))
    assert [first for first, _ in found] == [0, 2, 5, 6, 7]
    assert [text for _, some in found for text in some] == texts


def test_waits_double_up_to_the_longest() -> None:
    rules = JobRules(first_wait_s=1.0, longest_wait_s=60.0)
    assert [rules.wait_s(faults) for faults in (1, 2, 3, 7, 2_000)] == [1.0, 2.0, 4.0, 60.0, 60.0]


def test_models_are_kept_in_memory_up_to_two() -> None:
    loader = Loader()
    models = Models(loader)
    third = ModelVersion("headlines", "3", "bundles/headlines-3")
    for version in (FIRST, SECOND, FIRST, third, FIRST, SECOND):
        models.of(version)
    assert loader.loaded == [FIRST, SECOND, third, SECOND]


def test_an_address_that_is_no_job_store_is_refused() -> None:
    with pytest.raises(UsageError, match="'amqp://here' is no job store"):
        open_jobs("amqp://here")
    with pytest.raises(UsageError, match="names no file"):
        open_jobs("sqlite:///")


def test_rules_of_a_newer_version_are_understood_as_far_as_they_are_known() -> None:
    assert JobRules.from_json('{"lease_s": 7.0, "of_tomorrow": true}') == JobRules(lease_s=7.0)


def test_only_its_owner_may_read_the_file(tmp_path: Path) -> None:
    open_jobs(f"sqlite:///{tmp_path}/jobs.db").close()
    assert (tmp_path / "jobs.db").stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_no_database_makes_jobs_unavailable(tmp_path: Path) -> None:
    (tmp_path / "jobs.db").write_bytes(b"not a database, whatever its name says" * 100)
    with pytest.raises(JobsUnavailable, match=r"jobs\.db' cannot be reached \(file is not a database\)"):
        open_jobs(f"sqlite:///{tmp_path}/jobs.db")


def test_many_may_open_a_new_file_at_once(tmp_path: Path) -> None:
    opened: list[Jobs] = []
    threads = [
        threading.Thread(target=lambda: opened.append(open_jobs(f"sqlite:///{tmp_path}/new/jobs.db"))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 8
    for jobs in opened:
        jobs.close()


def test_redis_that_is_down_makes_jobs_unavailable_until_it_is_back(tmp_path: Path) -> None:
    server = RedisServer(tmp_path, lasting=True).start()
    office = CeleryOffice(server.url, RULES)
    job = office.submit(*TEXTS)
    server.stop()
    for call in (lambda: office.store.get(job.id), lambda: office.submit("a"), lambda: office.store.counts()):
        with pytest.raises(JobsUnavailable, match="Try again when it is back"):
            call()
    server.start()
    office.work()
    assert office.labels(job) == [f"1: {text}" for text in TEXTS]
    office.store.close()
    server.stop()


def test_a_message_that_is_lost_is_sent_again(redis_server: RedisServer) -> None:
    with redis.Redis.from_url(redis_server.url) as client:
        client.flushdb()
        office = CeleryOffice(redis_server.url, RULES)
        job = office.submit(*TEXTS)
        client.delete("copydesk")  # as between kombu's BRPOP and its note that the message is unacknowledged
    assert office.work() == 0
    office.clock.now += RULES.lease_s
    assert office.work() == 3
    assert office.store.get(job.id).status == "succeeded"
    office.store.close()


def test_nothing_in_redis_is_pickled_and_no_text_outlives_its_job(redis_server: RedisServer) -> None:
    with redis.Redis.from_url(redis_server.url) as client:
        client.flushdb()
        office = CeleryOffice(redis_server.url, RULES)
        job = _worked(office, "a")
        kept = {key.decode() for key in client.keys("copydesk*")}
        office.store.close()
    assert kept == {
        f"copydesk:job:{job.id}",
        f"copydesk:job:{job.id}:answers",
        "copydesk:status:succeeded",
        "copydesk:waiting",
    }


def test_what_expired_leaves_the_file(tmp_path: Path) -> None:
    office = SqliteOffice(tmp_path / "jobs.db", RULES)
    job = _worked(office, *["text" * 5_000] * 100)
    full = office.pages()
    office.clock.now += RULES.keep_s + GRACE_S + 1
    office.file.sweep()
    assert office.pages() < full / 10
    with pytest.raises(ExpiredJob):
        office.store.get(job.id)
    office.clock.now += RULES.remember_s
    office.file.sweep()
    with pytest.raises(UnknownJob):
        office.store.get(job.id)
    office.store.close()


def _worked(office: Office, *texts: str) -> Job:
    job = office.submit(*texts)
    office.work()
    return job
