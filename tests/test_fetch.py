from __future__ import annotations

import hashlib
import random
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from copydesk.errors import SourceError
from copydesk.remote import web
from copydesk.remote.fetch import fetch, is_reachable
from copydesk.remote.retry import Retries
from copydesk.remote.web import ALLOW_PRIVATE_HOSTS
from fakes import Listener
from servers import CONTENT, Answer, Faulty, running

SHA256 = hashlib.sha256(CONTENT).hexdigest()
AT_ONCE = Retries(sleep=lambda _: None)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Faulty]:
    monkeypatch.setenv(ALLOW_PRIVATE_HOSTS, "1")
    with running(Faulty()) as server:
        assert isinstance(server, Faulty)
        yield server


def _get(server: Faulty, cache: Path, sha256: str | None = SHA256, retries: Retries = AT_ONCE) -> Path:
    return fetch(server.url, sha256=sha256, cache=cache, retries=retries).path


def test_a_file_arrives_whole_and_is_kept(server: Faulty, tmp_path: Path) -> None:
    path = _get(server, tmp_path)
    assert path.read_bytes() == CONTENT
    asked = len(server.asked)
    assert _get(server, tmp_path) == path
    assert len(server.asked) == asked


def test_the_revision_is_the_etag_and_is_remembered_with_a_pinned_file(server: Faulty, tmp_path: Path) -> None:
    assert fetch(server.url, cache=tmp_path, retries=AT_ONCE).revision == "one"
    for _ in range(2):
        assert fetch(server.url, sha256=SHA256, cache=tmp_path, retries=AT_ONCE).revision == "one"
    assert fetch("https://elsewhere.example/x", sha256=SHA256, cache=tmp_path).revision is None


def test_a_download_tells_how_far_it_is(server: Faulty, tmp_path: Path) -> None:
    listener = Listener()
    fetch(server.url, cache=tmp_path, retries=AT_ONCE, progress=listener)
    assert listener.tracked == {"downloading file.bin": len(CONTENT) // 1000}


def test_a_download_that_breaks_off_goes_on_where_it_stopped(server: Faulty, tmp_path: Path) -> None:
    server.cuts = 2
    assert _get(server, tmp_path).read_bytes() == CONTENT
    starts = [int(wanted.removeprefix("bytes=").partition("-")[0]) for wanted in server.ranges if wanted]
    assert len(starts) == 2 and 0 < starts[0] < starts[1]


def test_a_partial_file_of_an_earlier_run_is_continued(server: Faulty, tmp_path: Path) -> None:
    server.cuts = 1_000
    with pytest.raises(SourceError, match="cannot be reached"):
        _get(server, tmp_path)
    left = [file for file in (tmp_path / "downloads").iterdir() if file.suffix == ".part"]
    assert len(left) == 1
    done = left[0].stat().st_size
    assert 0 < done < len(CONTENT)
    server.cuts = 0
    server.asked.clear()
    assert _get(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges == [f"bytes={done}-"]
    assert not left[0].exists()


def test_a_long_download_goes_on_as_long_as_it_gets_on(server: Faulty, tmp_path: Path) -> None:
    server.content = CONTENT * 24
    server.cuts = 3  # each brings more than a megabyte, and none counts as a failure
    waits: list[float] = []
    assert _get(server, tmp_path, None, Retries(sleep=waits.append)).read_bytes() == server.content
    assert waits == []


def test_a_server_without_ranges_is_asked_for_everything_again(server: Faulty, tmp_path: Path) -> None:
    server.knows_ranges, server.cuts = False, 2
    assert _get(server, tmp_path).read_bytes() == CONTENT


def test_a_file_that_changes_between_two_attempts_is_not_mixed(server: Faulty, tmp_path: Path) -> None:
    server.cuts = 1_000
    with pytest.raises(SourceError):
        _get(server, tmp_path, None)
    server.cuts, server.content, server.etag = 0, CONTENT[::-1], '"two"'
    server.announced_etag = '"one"'  # it changes just after it was described
    assert _get(server, tmp_path, None).read_bytes() == CONTENT[::-1]


def test_of_several_that_want_a_file_at_once_one_downloads_it(server: Faulty, tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        files = [future.result() for future in [pool.submit(_get, server, tmp_path) for _ in range(4)]]
    assert {file.read_bytes() for file in files} == {CONTENT}
    assert len(server.gets()) == 1


def test_server_errors_are_tried_again_after_waits_that_double_and_vary(server: Faulty, tmp_path: Path) -> None:
    waits: dict[int, list[float]] = {1: [], 2: []}
    for seed, waited in waits.items():
        server.errors = [Answer(500)] * 6  # each attempt asks twice, by HEAD and by GET
        _get(server, tmp_path / str(seed), retries=Retries(waited.append, random.Random(seed)))
        assert len(waited) == 3
        assert all(longest / 2 <= wait <= longest for wait, longest in zip(waited, (0.5, 1.0, 2.0), strict=True))
    assert waits[1] != waits[2]


@pytest.mark.parametrize(
    "headers",
    [{"Retry-After": "7"}, {"Retry-After": "Sat, 21 Nov 2026 10:00:07 GMT", "Date": "Sat, 21 Nov 2026 10:00:00 GMT"}],
)
@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_says_when_to_come_back_is_obeyed(
    server: Faulty, tmp_path: Path, status: int, headers: dict[str, str]
) -> None:
    server.errors = [Answer(status, headers)] * 2
    waits: list[float] = []
    assert _get(server, tmp_path, retries=Retries(waits.append)).read_bytes() == CONTENT
    assert waits == [7.0]


def test_a_server_that_asks_for_an_hour_is_not_waited_for(server: Faulty, tmp_path: Path) -> None:
    server.errors = [Answer(429, {"Retry-After": "3600"})] * 2
    with pytest.raises(SourceError, match=r"asks to come back in 3,600 s \(HTTP 429\)"):
        _get(server, tmp_path)


def test_a_server_that_stalls_is_given_up_and_tried_again(
    server: Faulty, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "READ_TIMEOUT_S", 0.1)
    server.stalls = 2
    assert _get(server, tmp_path).read_bytes() == CONTENT
    assert len(server.gets()) == 3


@pytest.mark.parametrize("announced", [len(CONTENT) + 100, len(CONTENT) - 100])
def test_another_length_than_announced_is_refused(server: Faulty, tmp_path: Path, announced: int) -> None:
    server.announced = announced
    with pytest.raises(SourceError, match=f"{len(CONTENT):,} of {announced:,} bytes arrived"):
        _get(server, tmp_path)


@pytest.mark.parametrize(
    ("status", "message"), [(403, r"may not be read \(HTTP 403\)"), (400, "cannot be reached: 400")]
)
def test_what_cannot_get_better_is_not_tried_again(server: Faulty, tmp_path: Path, status: int, message: str) -> None:
    server.errors = [Answer(status)] * 9
    with pytest.raises(SourceError, match=message):
        _get(server, tmp_path)
    assert len(server.asked) == 2


def test_a_wrong_checksum_is_refused_and_nothing_is_kept(server: Faulty, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=f"has SHA-256 {SHA256}, but the recipe pins {'0' * 64}"):
        _get(server, tmp_path, "0" * 64)
    assert {file.suffix for file in (tmp_path / "downloads").iterdir()} == {".lock"}


def test_a_damaged_file_in_the_cache_is_fetched_anew(server: Faulty, tmp_path: Path) -> None:
    _get(server, tmp_path).write_bytes(b"damaged")
    assert _get(server, tmp_path).read_bytes() == CONTENT


def test_a_changed_remote_file_without_a_pin_is_fetched_anew(server: Faulty, tmp_path: Path) -> None:
    _get(server, tmp_path, None)
    server.content, server.etag = b"new content", '"two"'
    assert _get(server, tmp_path, None).read_bytes() == b"new content"


def test_a_missing_file_is_said_to_be_missing(server: Faulty, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="does not exist"):
        fetch(server.url.replace("file.bin", "other.bin"), cache=tmp_path, retries=AT_ONCE)


def test_private_addresses_are_refused(server: Faulty, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ALLOW_PRIVATE_HOSTS)
    for host in ("127.0.0.1", "localhost"):
        with pytest.raises(SourceError, match="is private or local"):
            fetch(f"http://{host}:{server.server_address[1]}/data/file.bin", cache=tmp_path, retries=AT_ONCE)
    assert server.asked == []


@pytest.mark.parametrize(
    ("host", "public"),
    [
        ("8.8.8.8", True),
        ("2001:4860:4860::8888", True),
        ("64:ff9b::8.8.8.8", True),
        ("10.0.0.1", False),
        ("0.0.0.0", False),
        ("100.64.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("::ffff:127.0.0.1", False),
        ("2002:7f00:1::", False),
        ("64:ff9b::169.254.169.254", False),
    ],
)
def test_an_address_counts_as_what_it_leads_to(monkeypatch: pytest.MonkeyPatch, host: str, public: bool) -> None:
    monkeypatch.delenv(ALLOW_PRIVATE_HOSTS, raising=False)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    where = (family, socket.SOCK_STREAM, 0, "", (host, 443))
    if public:
        web._guarded_socket(where).close()
    else:
        with pytest.raises(SourceError, match="is private or local"):
            web._guarded_socket(where)


def test_a_redirect_to_a_private_address_is_refused(
    server: Faulty, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(ALLOW_PRIVATE_HOSTS)
    server.redirect = "http://169.254.169.254/latest/meta-data"
    honest = web._require_public

    def all_but_this_server(host: str) -> None:  # stands in for a public server that redirects
        if host != "127.0.0.1":
            honest(host)

    monkeypatch.setattr(web, "_require_public", all_but_this_server)
    with pytest.raises(SourceError, match="169.254.169.254 is private or local"):
        fetch(server.url, cache=tmp_path, retries=AT_ONCE)


@pytest.mark.parametrize(
    "address", ["ftp://{host}/x", "simplecache::http://{host}/x", "webhdfs://{host}/x", "zip://a.csv::http://{host}/x"]
)
def test_addresses_that_could_go_round_the_guard_are_refused(
    server: Faulty, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.delenv(ALLOW_PRIVATE_HOSTS)
    with pytest.raises(SourceError, match="no address that a recipe may name: https, hf, kaggle, s3, gs"):
        fetch(address.format(host=server.root.removeprefix("http://")), cache=tmp_path)
    assert server.asked == []


def test_whoever_trusts_the_recipe_may_read_whatever_fsspec_can(server: Faulty, tmp_path: Path) -> None:
    server.content = b"text,label\n"
    assert fetch(f"simplecache::{server.url}", cache=tmp_path).path.read_bytes() == b"text,label\n"
    with pytest.raises(SourceError, match="'nonsense://x/y' cannot be opened"):
        fetch("nonsense://x/y", cache=tmp_path)


def test_addresses_that_reach_no_host_need_no_leave(tmp_path: Path) -> None:
    import fsspec

    with fsspec.open("memory://folder/a.csv", "wb") as file:
        file.write(b"text,label\n")
    assert fetch("memory://folder/a.csv", cache=tmp_path).path.read_bytes() == b"text,label\n"


def test_reachability_is_a_quick_question(server: Faulty, tmp_path: Path) -> None:
    assert is_reachable(server.url)
    assert not is_reachable("http://127.0.0.1:1/x", timeout_s=1)
    assert not is_reachable(str(tmp_path / "missing"))
    assert is_reachable(str(tmp_path))
