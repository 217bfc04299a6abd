"""The served page in a real browser, against the real command."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from copydesk.recipe import parse_recipe
from copydesk.training import train_bundle
from fakes import toy_rows, write_csv

pytestmark = pytest.mark.e2e
HOSTILE = "<img src=x onerror=\"document.title='hit'\"><script>document.title='hit'</script> & <b>goal</b>"
KEY = "a-key-of-more-than-16-characters"
WORDS = """
en:
  emergencies: {tags: {fire: [{wildfire: -0.9}], accident: [{crash: -0.5}]}}
  sports: {tags: {game: [{goal: 0.6}]}}
"""


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return a small bundle of each task: one of two labels, any of sixteen over two columns, two categories."""
    folder = tmp_path_factory.mktemp("bundles")
    rows = toy_rows()
    topics = [
        [label, *(f"topic {word}" for word in sorted(set(text.split())) if len(word) > 4)] for text, label in rows
    ]
    (folder / "words.yaml").write_text(WORDS, "utf-8")
    write_csv(folder / "single.csv", rows)
    several = [
        json.dumps({"title": text, "body": text, "labels": names})
        for (text, _), names in zip(rows, topics, strict=True)
    ]
    (folder / "multi.jsonl").write_text("\n".join(several), "utf-8")
    sheets = [
        ("wildfire", [{"category": "emergencies", "score": -0.9, "tag": "fire"}]),
        ("goal", [{"category": "sports", "score": 0.6, "tag": "game"}]),
        ("nothing", []),
    ]
    lines = [json.dumps({"text": f"{word} {place}", "signals": label}) for place in range(40) for word, label in sheets]
    (folder / "signals.jsonl").write_text("\n".join(lines), "utf-8")
    recipes: dict[str, dict[str, Any]] = {
        "single": {"model": {"kind": "linear"}, "serve": {"max_batch_texts": 4, "max_text_chars": 2_000}},
        "multi": {
            "task": "multi",
            "text": ["title", "body"],
            "label": "labels",
            "model": {"kind": "linear"},
        },
        "signals": {
            "task": "signals",
            "label": "signals",
            "categories": {"emergencies": ["fire", "accident"], "sports": ["game"]},
            "model": {"kind": "keywords", "keywords": str(folder / "words.yaml")},
        },
    }
    data = {"single": folder / "single.csv", "multi": folder / "multi.jsonl", "signals": folder / "signals.jsonl"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COPYDESK_TRACKING", "off")
        patch.setenv("COPYDESK_CACHE", str(folder / "cache"))
        for name, recipe in recipes.items():
            train_bundle(parse_recipe({"name": f"toy-{name}", **recipe}), data=data[name], out=folder / name)
    return {name: folder / name for name in recipes}


class Site:
    """The command on a bundle, and a page that shows it."""

    def __init__(self, browser: Browser, bundle: Path, state: Path, *options: str, **context: Any) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        self.address = f"http://127.0.0.1:{port}/"
        command = [sys.executable, "-m", "copydesk", "serve", str(bundle), "--port", port, "--state", str(state)]
        self.feedback = state / "feedback.jsonl"
        self.process = subprocess.Popen(
            [*command, "--drain", "0", *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self._wait()
        self.wrong: list[str] = []
        self.context = browser.new_context(**{"viewport": {"width": 1200, "height": 900}, **context})
        self.page = self.open()

    def _wait(self) -> None:
        assert self.process.stdout is not None
        said = ""
        for line in self.process.stdout:
            said += line
            if "startup complete" in line:
                threading.Thread(target=self.process.stdout.read, daemon=True).start()  # a full pipe would stop it
                return
        raise AssertionError(said)

    def open(self) -> Page:
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("console", lambda message: self.wrong.append(message.text) if message.type == "error" else None)
        page.on(
            "request",
            lambda request: None if request.url.startswith((self.address, "blob:")) else self.wrong.append(request.url),
        )
        page.goto(self.address)
        return page

    def ask(self, **columns: str) -> None:
        """Write a text and press Ctrl+Enter."""
        for name, text in columns.items():
            self.page.locator(f"textarea[name={name}]").fill(text)
        self.page.keyboard.press("Control+Enter")
        for text in columns.values():
            expect(self.answer.locator(".read")).to_contain_text(text)
        expect(self.words).to_contain_text(re.compile("Exact|left out|no label to explain"))

    @property
    def answer(self) -> Locator:
        return self.page.locator("#answer")

    @property
    def words(self) -> Locator:
        return self.page.locator("#answer .words")

    def corrections(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.feedback.read_text("utf-8").splitlines()]


@contextmanager
def _site(browser: Browser, bundle: Path, state: Path, *options: str, **context: Any) -> Iterator[Site]:
    site = Site(browser, bundle, state, *options, **context)
    try:
        yield site
    finally:
        site.context.close()
        site.process.send_signal(signal.SIGKILL)
        site.process.communicate()


@pytest.fixture(scope="module")
def single(browser: Browser, bundles: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with _site(browser, bundles["single"], tmp_path_factory.mktemp("state")) as site:
        yield site


@pytest.fixture
def site(single: Site) -> Iterator[Site]:
    """Return the site with a fresh page and nothing remembered."""
    single.page.evaluate("localStorage.clear()")
    single.page.close()
    single.wrong.clear()
    single.page = single.open()
    expect(single.page.locator("textarea")).to_be_focused()
    yield single
    assert single.wrong == []


def test_a_text_gets_its_label_its_scores_and_the_words_that_moved_it(site: Site) -> None:
    site.ask(text="The goal 🎉 of the match after the loan")
    expect(site.answer.locator(".verdict")).to_contain_text("sport")
    assert site.answer.locator(".bar-row bdi").all_text_contents() == ["sport", "money"]
    expect(site.page.locator("#status")).to_have_text(re.compile(r"^Answer: sport, \d+\.\d\s%\.$"))
    marks = dict(zip(site.answer.locator("mark").all_text_contents(), site.answer.locator("mark").all(), strict=True))
    expect(marks["goal"]).to_have_class("for")  # an emoji before it counts once, as in Python
    expect(marks["loan"]).to_have_class("against")
    lines = [
        mark.evaluate("mark => getComputedStyle(mark).textDecorationStyle") for mark in (marks["goal"], marks["loan"])
    ]
    assert lines == ["solid", "dotted"]
    expect(site.words).to_contain_text("Words for sport rather than money")
    site.answer.get_by_role("button", name="money").click()
    expect(site.words).to_contain_text("Words for money rather than sport")
    expect(site.answer.locator("mark", has_text="loan")).to_have_class("for")


def test_the_served_version_shows_its_figures_and_links(site: Site) -> None:
    expect(site.page.locator("#name")).to_have_text("toy-single")
    expect(site.page.locator("#facts")).to_contain_text(re.compile(r"\d+\.\d\s%\s*accuracy.*95 % interval", re.DOTALL))
    expect(site.page.locator("#facts")).to_contain_text("Tested on")
    with site.page.expect_navigation():
        site.page.get_by_role("link", name="Report").click()
    expect(site.page.locator("h1")).to_contain_text("toy-single")
    site.page.go_back()
    expect(site.page.get_by_role("link", name="API")).to_have_attribute("href", "docs")


def test_a_hostile_text_is_shown_and_does_nothing(site: Site) -> None:
    site.ask(text=HOSTILE)
    expect(site.answer.locator(".read")).to_have_text(HOSTILE)
    site.page.locator("label.mode", has_text="One a line").click()
    site.page.locator("textarea").fill(f"{HOSTILE}\n{HOSTILE}")
    site.page.keyboard.press("Control+Enter")
    expect(site.page.locator("#many h2")).to_have_text("2 texts")
    assert site.page.locator("img, body script, #main b").count() == 0
    assert site.page.title() == "toy-single – Copydesk"


def test_many_texts_go_in_several_requests_and_one_of_them_can_be_opened(site: Site) -> None:
    asked: list[int] = []
    site.page.on(
        "request",
        lambda request: (
            asked.append(len(json.loads(request.post_data or "{}").get("texts", [])))
            if "classify" in request.url
            else None
        ),
    )
    site.page.locator("label.mode", has_text="One a line").click()
    site.page.locator("textarea").fill("\n".join(["goal match", "", "bank loan"] * 3 + ["x" * 2_001]))
    expect(site.page.locator("#size")).to_have_text("7 texts")
    site.page.get_by_role("button", name="Classify").click()
    expect(site.page.locator("#many h2")).to_have_text("6 texts")
    assert asked == [4, 2]
    expect(site.page.locator("#many")).to_contain_text("Left out: 3 without text, 1 with too many characters.")
    expect(site.page.locator(".tally .bar-row").first).to_contain_text("3 · 50.0 %")
    site.page.locator(".tally").get_by_role("button", name="money").click()
    assert site.page.locator(".results .open").all_text_contents() == ["bank loan"] * 3
    site.page.locator(".results .open").first.click()
    expect(site.answer.locator(".verdict")).to_contain_text("money")
    expect(site.page.locator("#many")).to_be_visible()


def test_a_file_is_read_in_the_browser_its_column_chosen_and_the_answers_downloaded(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "news.csv"
    file.write_bytes('number;Überschrift\r\n1;"a goal; a ""match"""\r\n2;"bank\nloan"\r\n3;\r\n'.encode("windows-1252"))
    site.page.locator("label.mode", has_text="A file").click()
    expect(site.page.locator("#classify")).to_be_disabled()
    site.page.locator("#file").set_input_files(file)
    pick = site.page.get_by_label("Column with the texts")
    expect(pick.locator("option:checked")).to_have_text("Überschrift")
    site.page.get_by_role("button", name="Classify").click()
    expect(site.page.locator("#many h2")).to_have_text("2 texts")
    assert site.page.locator(".results .open").all_text_contents() == ['a goal; a "match"', "bank\nloan"]
    with site.page.expect_download() as download:
        site.page.get_by_role("button", name="Download CSV").click()
    rows = download.value.path().read_text("utf-8-sig")
    assert rows.startswith('text,label,score\n"a goal; a ""match""",sport,0.')


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("empty.csv", b" \n", "it is empty"),
        ("header.csv", b"text\n", "it has a header and no rows"),
        ("open.csv", b'text\n"never closed\n', "row 2 opens a quote that is never closed"),
        ("broken.jsonl", b'{"text": "one"}\n{', "row 2 is no JSON"),
        ("object.json", b"{}", "its JSON is no list"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(site: Site, tmp_path: Path, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    site.page.locator("label.mode", has_text="A file").click()
    site.page.locator("#file").set_input_files(tmp_path / name)
    expect(site.page.get_by_role("alert").first).to_contain_text(f"'{name}' cannot be read: {says}")


def test_lines_of_json_and_plain_lines_are_read_too(site: Site, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": 1, "text": "goal"}\n{"text": "bank", "more": [1]}\n', "utf-8")
    (tmp_path / "b.txt").write_text("goal, match\nbank\n", "utf-8")
    site.page.locator("label.mode", has_text="A file").click()
    for name, first in (("a.jsonl", "goal"), ("b.txt", "goal, match")):
        site.page.locator("#file").set_input_files(tmp_path / name)
        expect(site.page.locator("#columns")).to_contain_text(name)
        site.page.get_by_role("button", name="Classify").click()
        expect(site.page.locator("#many h2")).to_have_text("2 texts")
        expect(site.page.locator(".results .open").first).to_have_text(first)


def test_that_is_wrong_sends_the_right_label(site: Site) -> None:
    site.ask(text="goal match")
    site.page.get_by_role("button", name="That is wrong").click()
    site.page.get_by_label("Comment").fill("it is about a bank")
    site.page.get_by_role("button", name="Send").click()
    expect(site.answer).to_contain_text("Thank you. The correction is saved.")
    last = site.corrections()[-1]
    assert (last["label"], last["text"], last["comment"]) == ("money", "goal match", "it is about a bank")
    site.ask(text="goal match")
    site.page.get_by_role("button", name="That is wrong").click()
    site.page.get_by_label("Send the text with it").uncheck()
    site.page.keyboard.press("Escape")
    expect(site.page.get_by_role("button", name="That is wrong")).to_be_focused()


def test_what_was_asked_is_remembered_here_and_can_be_cleared(site: Site) -> None:
    site.ask(text="goal match")
    site.ask(text="bank loan")
    site.page.reload()
    asked = site.page.locator("#history .asked")
    expect(asked).to_have_text(["bank loan", "goal match"])
    asked.last.click()
    expect(site.answer.locator(".verdict")).to_contain_text("sport")
    expect(site.page.locator("textarea")).to_have_value("goal match")
    site.page.get_by_role("button", name="Clear").click()
    expect(asked).to_have_count(0)
    site.page.reload()
    expect(site.page.locator("#history")).to_contain_text("Texts you classify are listed here")


def test_a_full_queue_is_waited_for_as_long_as_the_server_asks(site: Site) -> None:
    left = [2]

    def busy(route: Route) -> None:
        left[0] -= 1
        if left[0] >= 0:
            route.fulfill(status=429, headers={"Retry-After": "1"}, json={"detail": "full"})
        else:
            route.continue_()

    site.page.route("**/v1/classify*", busy)
    site.page.locator("textarea").fill("goal match")
    site.page.keyboard.press("Control+Enter")
    expect(site.page.locator("#status")).to_have_text("The server is busy. Trying again in 1 s …")
    expect(site.answer.locator(".verdict")).to_contain_text("sport")
    site.wrong[:] = [line for line in site.wrong if "429" not in line]


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (413, {"detail": "The body is larger than 8 bytes."}, "too much for one request. The body is larger"),
        (
            422,
            {"detail": [{"loc": ["body", "text"], "msg": "The text is empty.", "type": "text"}]},
            "The text is empty.",
        ),
        (503, {"detail": "Loading."}, "not ready; it asks to come again in 7 s. Loading."),
        (500, "no JSON", "answered 500"),
    ],
)
def test_what_the_server_refuses_is_said_in_words(site: Site, status: int, body: Any, says: str) -> None:
    site.page.route(
        "**/v1/classify*",
        lambda route: route.fulfill(status=status, headers={"Retry-After": "7"}, body=json.dumps(body)),
    )
    site.page.locator("textarea").fill("goal match")
    site.page.keyboard.press("Control+Enter")
    expect(site.page.locator("#notice")).to_contain_text(says)
    expect(site.page.locator("textarea")).to_have_value("goal match")
    site.wrong[:] = [line for line in site.wrong if str(status) not in line]


def test_an_empty_and_a_too_long_text_are_not_sent(site: Site) -> None:
    site.page.keyboard.press("Control+Enter")
    expect(site.page.locator("#notice")).to_contain_text("There is no text yet")
    site.page.locator("textarea").fill("x" * 2_001)
    expect(site.page.locator("#size")).to_have_class(re.compile("over"))
    site.page.keyboard.press("Control+Enter")
    expect(site.page.locator("#notice")).to_contain_text("The text has 2,001 characters; at most 2,000 are read.")


def test_dark_and_light_are_switched_and_remembered(site: Site) -> None:
    def paper() -> str:
        return str(site.page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))

    button = site.page.get_by_role("button", name="Dark mode")
    light = paper()
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    assert paper() != light
    site.page.reload()
    assert paper() != light
    button.click()
    assert paper() == light
    site.page.emulate_media(color_scheme="dark")
    assert paper() != light
    expect(button).to_have_attribute("aria-pressed", "true")


def test_the_keyboard_alone_is_enough(site: Site) -> None:
    site.page.get_by_role("link", name="Skip to the text").focus()
    expect(site.page.get_by_role("link", name="Skip to the text")).to_be_in_viewport()
    site.page.keyboard.press("Enter")
    expect(site.page.locator("#main")).to_be_focused()
    for _ in range(2):
        site.page.keyboard.press("Tab")
    expect(site.page.locator("textarea")).to_be_focused()
    site.page.keyboard.type("bank loan")
    site.page.keyboard.press("Tab")
    site.page.keyboard.press("Enter")
    expect(site.answer.locator(".verdict")).to_contain_text("money")
    for _ in range(2):
        site.page.keyboard.press("Tab")
    focused = site.page.evaluate(
        "[document.activeElement.dataset.label, getComputedStyle(document.activeElement).outlineStyle]"
    )
    assert focused == ["sport", "solid"]


def test_every_control_has_a_name(site: Site) -> None:
    site.ask(text="goal match")
    site.page.get_by_role("button", name="That is wrong").click()
    nameless = site.page.evaluate(
        """() => [...document.querySelectorAll("button, input, select, textarea, a, progress")]
            .filter((one) => one.checkVisibility() && !(one.labels?.length || one.ariaLabel || one.textContent.trim()))
            .map((one) => one.outerHTML)"""
    )
    assert nameless == []


@pytest.mark.parametrize("width", [360, 1200])
@pytest.mark.parametrize("task", ["single", "multi", "signals"])
def test_nothing_is_wider_than_the_window(
    width: int, task: str, browser: Browser, bundles: dict[str, Path], tmp_path: Path
) -> None:
    with _site(browser, bundles[task], tmp_path, viewport={"width": width, "height": 740}) as site:
        text = "goal wildfire " + "w" * 500 + " 長い記事" * 20
        if task == "multi":
            site.ask(title="goal league", body=text)
        else:
            site.ask(text=text)
        site.page.get_by_role("button", name="That is wrong").click()
        assert site.page.evaluate("document.documentElement.scrollWidth") <= width
        site.page.locator("label.mode", has_text="One a line").click()
        site.page.locator("textarea").fill(f"{text}\n{text}")
        site.page.get_by_role("button", name="Classify").click()
        expect(site.page.locator("#many h2")).to_have_text("2 texts")
        assert site.page.evaluate("document.documentElement.scrollWidth") <= width
        assert site.wrong == []


def test_several_labels_are_chips_over_two_columns_and_are_corrected_together(
    browser: Browser, bundles: dict[str, Path], tmp_path: Path
) -> None:
    with _site(browser, bundles["multi"], tmp_path) as site:
        site.ask(title="goal league striker", body="the coach of the league")
        chips = site.answer.locator(".given bdi")
        expect(chips.first).to_have_text("sport")
        expect(site.answer.locator(".given")).to_contain_text("topic league")
        site.answer.locator(".given button", has_text="topic league").click()
        expect(site.words).to_contain_text("Words for topic league")
        marked = site.answer.locator(".read p", has_text="title").locator("mark.for")
        assert "league" in marked.all_text_contents()
        site.page.get_by_role("button", name="That is wrong").click()
        site.answer.get_by_label("sport", exact=True).uncheck()
        site.answer.get_by_role("combobox", name="Find a label").fill("topic pri")
        site.page.keyboard.press("Enter")
        site.page.get_by_role("button", name="Send").click()
        expect(site.answer).to_contain_text("Thank you")
        (sent,) = site.corrections()
        assert "sport" not in sent["labels"] and {"topic league", "topic prices"} <= set(sent["labels"])
        assert sent["text"] == {"title": "goal league striker", "body": "the coach of the league"}
        assert site.wrong == []


def test_a_file_for_several_columns_has_one_picked_for_each(
    browser: Browser, bundles: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "two.tsv").write_text("body\theadline\tid\nthe coach\tgoal league\t1\n", "utf-8")
    with _site(browser, bundles["multi"], tmp_path) as site:
        site.page.locator("label.mode", has_text="A file").click()
        site.page.locator("#file").set_input_files(tmp_path / "two.tsv")
        expect(site.page.get_by_label("Column for body").locator("option:checked")).to_have_text("body")
        site.page.get_by_label("Column for title").select_option("headline")
        site.page.get_by_role("button", name="Classify").click()
        expect(site.page.locator(".results .open")).to_have_text(["goal league · the coach"])


def test_signals_are_a_sheet_and_corrected_as_one(browser: Browser, bundles: dict[str, Path], tmp_path: Path) -> None:
    with _site(browser, bundles["signals"], tmp_path) as site:
        site.ask(text="A wildfire near the town")
        fire = site.answer.locator(".sheet tr", has_text="emergencies")
        expect(fire).to_contain_text("−0.90")
        expect(fire).to_contain_text("fire")
        expect(fire).to_contain_text("high")
        expect(site.answer.locator(".sheet tr", has_text="sports")).to_contain_text("not there")
        expect(site.answer.locator("mark.against")).to_have_text("wildfire")
        site.page.get_by_role("button", name="That is wrong").click()
        site.answer.get_by_label("sports is there").check()
        site.answer.get_by_label("sports, score").fill("0.25")
        site.answer.get_by_label("sports, tag").select_option("game")
        site.answer.get_by_label("emergencies is there").uncheck()
        site.page.get_by_role("button", name="Send").click()
        expect(site.answer).to_contain_text("Thank you")
        assert site.corrections()[0]["signals"] == [{"category": "sports", "score": 0.25, "tag": "game"}]
        assert site.wrong == []


def test_a_key_is_asked_for_where_the_server_wants_one(
    browser: Browser, bundles: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "keys").write_text(KEY, "utf-8")
    with _site(browser, bundles["single"], tmp_path, "--api-keys", str(tmp_path / "keys")) as site:
        field = site.page.get_by_label("This server asks for an API key")
        for key in ("wrong", KEY):
            expect(field).to_be_focused()
            field.fill(key)
            site.page.keyboard.press("Enter")
        expect(field).to_be_hidden()
        site.ask(text="goal match")
        expect(site.answer.locator(".verdict")).to_contain_text("sport")
        site.page.reload()
        expect(site.page.locator("#name")).to_have_text("toy-single")
        assert [line for line in site.wrong if "401" not in line] == []


def test_a_server_that_is_gone_is_named(browser: Browser, bundles: dict[str, Path], tmp_path: Path) -> None:
    with _site(browser, bundles["single"], tmp_path) as site:
        expect(site.page.locator("textarea")).to_be_focused()
        site.process.send_signal(signal.SIGKILL)
        site.process.wait()
        site.page.locator("textarea").fill("goal match")
        site.page.keyboard.press("Control+Enter")
        expect(site.page.locator("#notice")).to_contain_text("The server cannot be reached")
