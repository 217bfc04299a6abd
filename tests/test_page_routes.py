from __future__ import annotations

import re

import pytest

from copydesk.page.files import page_files
from copydesk.serve.page_routes import PAGE
from serving import served


def test_the_page_and_every_file_it_names_are_there_with_their_types() -> None:
    with served() as client:
        index = client.get("/")
        assert index.status_code == 200 and index.headers["content-type"] == "text/html; charset=utf-8"
        named = re.findall(r'(?:href|src)="(page/[^"]+)"', index.text)
        assert len(named) >= 5
        for name in named:
            assert client.get(f"/{name}").status_code == 200, name
        assert client.head("/").status_code == 200
        assert client.get("/favicon.ico").headers["content-type"] == "image/svg+xml"


def test_every_module_that_a_script_imports_is_among_the_files() -> None:
    scripts = {name: file.content.decode() for name, file in page_files(PAGE).items() if name.endswith(".js")}
    imported = {found for script in scripts.values() for found in re.findall(r'from "\./([^"]+)"', script)}
    assert imported and imported <= set(scripts)


def test_nothing_runs_that_does_not_come_from_the_server() -> None:
    with served() as client:
        index = client.get("/")
    policy = index.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
    assert not re.search(r"<style|style=|\son\w+=|<script>|https?://", index.text)
    inserted = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function")
    assert [name for name, file in page_files(PAGE).items() if inserted.search(file.content.decode())] == []


def test_an_unchanged_file_is_not_sent_again() -> None:
    with served() as client:
        first = client.get("/page/page.js")
        again = client.get("/page/page.js", headers={"If-None-Match": first.headers["etag"]})
        other = client.get("/page/page.js", headers={"If-None-Match": '"another"'})
    assert (again.status_code, again.content) == (304, b"")
    assert other.status_code == 200 and other.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path",
    ["/page/app.py", "/page/..%2fapp.py", "/page/%2e%2e/app.py", "/page/..%5capp.py", "/page//etc/passwd", "/page/"],
)
def test_nothing_else_on_the_disk_can_be_had(path: str) -> None:
    with served() as client:
        assert client.get(path).status_code == 404
