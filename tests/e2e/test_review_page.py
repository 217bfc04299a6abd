"""The review page in a real browser, driven by the keyboard, against the real command."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from copydesk.data.review_file import Header, Item, Review, StoredLabel, read_review, write_review

pytestmark = pytest.mark.e2e
HOSTILE = "<img src=x onerror=\"document.title='hit'\"><script>document.title='hit'</script> & <b>bold</b>"
SINGLE = Header("single", ("bad", "good"), recipe="toy")
CATEGORIES = {"crime": ["theft", "assault"], "sports": ["game"]}


class Desk:
    """The command on a file, and a page that shows it."""

    def __init__(self, path: Path, browser: Browser) -> None:
        self.path = path
        command = [sys.executable, "-m", "copydesk", "review", str(path), "--no-browser", "--port", "0"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        address = re.search(r"http://\S+", self.process.stderr.readline())
        assert address is not None
        self.address = address[0]
        self.wrong: list[str] = []
        self.context = browser.new_context(viewport={"width": 1200, "height": 900})
        self.page = self.open()

    def open(self) -> Page:
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("console", lambda message: self.wrong.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: self.wrong.append(request.url) if not self.is_own(request.url) else None)
        page.goto(self.address)
        expect(page.locator("#item")).to_be_visible()
        return page

    def is_own(self, url: str) -> bool:
        return url.startswith(self.address.partition("#")[0])

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def shows(self, text: str) -> None:
        expect(self.page.locator("#text")).to_have_text(text)

    def decided(self, words: str) -> None:
        expect(self.page.locator("#progress-words")).to_have_text(words)

    def outcomes(self) -> list[tuple[str | None, StoredLabel | None]]:
        return [(item.decision, item.outcome) for item in read_review(self.path).items]

    def end(self, number: signal.Signals) -> str:
        self.process.send_signal(number)
        return self.process.communicate(timeout=30)[0]


@contextmanager
def _desk(browser: Browser, path: Path, header: Header, *items: Item) -> Iterator[Desk]:
    if items:
        write_review(path, Review(header, items))
    desk = Desk(path, browser)
    try:
        yield desk
    finally:
        if desk.process.poll() is None:
            desk.end(signal.SIGKILL)
        desk.context.close()


def _items(*texts: str, label: StoredLabel, suggested: StoredLabel | None = None) -> list[Item]:
    item = Item("x", "", label, suggested, reason="label error", suspicion=0.9, model={"good": 0.8, "bad": 0.2})
    return [
        replace(item, id=f"id{place}", text=text, where=f"data.csv:{place + 2}") for place, text in enumerate(texts)
    ]


def test_texts_of_one_label_are_decided_with_single_keys_and_the_end_says_what_comes_next(
    browser: Browser, tmp_path: Path
) -> None:
    items = _items("one", "two", HOSTILE, "four", "five", "six", label="bad", suggested="good")
    with _desk(browser, tmp_path / "review.jsonl", SINGLE, *items) as desk:
        desk.shows("one")
        for key in ("k", "a", "1", "2", "d", "s"):
            desk.press(key)
        desk.decided("5 of 6 decided, 1 skipped")
        expect(desk.page.locator("#status")).to_contain_text("Every text was looked at (1 skipped)")
        assert [decision for decision, _ in desk.outcomes()] == ["keep", "accept", "keep", "accept", "drop", "skip"]
        desk.press("u", "u")
        desk.shows("five")
        desk.page.reload()
        desk.shows("five")
        desk.press("u")
        desk.shows("four")
        desk.decided("3 of 6 decided")
        assert [decision for decision, _ in desk.outcomes()] == ["keep", "accept", "keep", None, None, None]
        assert desk.wrong == []
        said = desk.end(signal.SIGINT)
    assert desk.process.returncode == 0
    command = "copydesk prepare RECIPE --reviewed review.jsonl"
    assert said.splitlines()[-1] == f"3 of 6 texts decided. Next: {command}"


def test_a_hostile_text_is_shown_and_does_nothing(browser: Browser, tmp_path: Path) -> None:
    votes = ({"function": HOSTILE, "label": HOSTILE},)
    item = replace(_items(HOSTILE, label=HOSTILE)[0], suggested="good", reason=HOSTILE, where=HOSTILE, votes=votes)
    with _desk(browser, tmp_path / "review.jsonl", SINGLE, item, replace(item, id="2", text="two", reason="")) as desk:
        desk.shows(HOSTILE)
        desk.press("a")
        desk.shows("two")
        assert desk.page.locator("img, body script, b").count() == 0
        assert desk.page.title() == "review.jsonl – review"
        assert desk.wrong == []


def test_another_page_in_the_same_browser_can_neither_read_nor_decide(browser: Browser, tmp_path: Path) -> None:
    with _desk(browser, tmp_path / "review.jsonl", SINGLE, *_items("one", "two", label="bad")) as desk:
        api = desk.address.partition("#")[0] + "api/"
        token = desk.address.partition("#")[2]
        other = desk.context.new_page()
        other.goto("data:text/html,elsewhere")
        ask = "([url, how]) => fetch(url, how).then(answer => answer.type, () => 'refused')"
        body = json.dumps({"place": 0, "revision": 0, "decision": "drop"})
        assert other.evaluate(ask, [f"{api}decide", {"method": "POST", "mode": "no-cors", "body": body}]) == "refused"
        known = {"X-Copydesk-Token": token, "Content-Type": "application/json"}  # even if it knew the token
        assert other.evaluate(ask, [f"{api}decide", {"method": "POST", "headers": known, "body": body}]) == "refused"
        assert other.evaluate(ask, [f"{api}items?places=0", {"headers": known}]) == "refused"
        assert desk.outcomes() == [(None, "bad"), (None, "bad")]


def test_nothing_is_lost_when_the_process_is_killed_after_a_decision(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "review.jsonl"
    with _desk(browser, path, SINGLE, *_items("one", "two", "three", label="bad")) as desk:
        desk.press("k")
        desk.shows("two")
        desk.press("2")
        desk.shows("three")
        desk.end(signal.SIGKILL)
        assert desk.outcomes() == [("keep", "bad"), ("change", "good"), (None, "bad")]
        desk.press("d")
        expect(desk.page.locator("#notice")).to_contain_text("Whatever was decided is saved")
    with _desk(browser, path, SINGLE) as desk:
        desk.shows("three")
        desk.decided("2 of 3 decided")
        desk.press("d")
        desk.decided("3 of 3 decided")
    assert desk.outcomes() == [("keep", "bad"), ("change", "good"), ("drop", None)]


def test_several_labels_are_switched_and_saved_together(browser: Browser, tmp_path: Path) -> None:
    names = tuple(f"topic {letter}" for letter in "abcdefghijklmn")
    items = _items("one", "two", "three", label=["topic a"], suggested=["topic a", "topic b"])
    with _desk(browser, tmp_path / "review.jsonl", Header("multi", names), *items) as desk:
        desk.press("2", "Enter")  # the suggestion, switched on by hand
        desk.shows("two")
        desk.press("c")
        desk.page.keyboard.type("PIC N")
        desk.press("Enter", "Escape", "1", "Enter")
        desk.shows("three")
        desk.press("1", "Enter")
        expect(desk.page.locator("#notice")).to_have_text(re.compile("at least one label"))
        desk.press("Escape", "1", "Enter")
        desk.decided("3 of 3 decided")
        found = [("accept", ["topic a", "topic b"]), ("change", ["topic n"]), ("keep", ["topic a"])]
        assert desk.outcomes() == found
        desk.press("ArrowLeft", "2", "ArrowRight", "ArrowLeft")  # what was begun is kept, and not saved
        expect(desk.page.locator("#save")).to_have_class("edited")
        assert desk.outcomes() == found
        desk.press("u", "u")
        desk.decided("1 of 3 decided")
        desk.shows("two")
        assert desk.outcomes()[1:] == [(None, ["topic a"]), (None, ["topic a"])]
        assert desk.wrong == []


def test_signals_are_set_by_slider_number_and_tag(browser: Browser, tmp_path: Path) -> None:
    label: StoredLabel = [{"category": "crime", "score": -0.5, "tag": "theft"}]
    header = Header("signals", tuple(CATEGORIES), CATEGORIES)
    with _desk(browser, tmp_path / "review.jsonl", header, *_items("one", "two", "three", label=label)) as desk:
        desk.press("1", "ArrowRight", "ArrowRight")  # two steps of 0.05
        desk.press("2", "Tab")
        desk.page.keyboard.type("0.75")
        desk.press("Tab")
        desk.page.get_by_label("sports, tag").select_option("game")
        desk.press("Enter")
        desk.shows("two")
        changed = [
            {"category": "crime", "score": -0.4, "tag": "theft"},
            {"category": "sports", "score": 0.75, "tag": "game"},
        ]
        assert desk.outcomes()[0] == ("change", changed)
        desk.press("1", "Delete", "Enter")
        desk.shows("three")
        assert desk.outcomes()[1] == ("change", [])
        desk.press("Enter")
        desk.decided("3 of 3 decided")
        assert desk.outcomes()[2] == ("keep", label)
        desk.press("2", "Tab")
        desk.page.keyboard.type("7")
        desk.press("Enter")
        expect(desk.page.locator("#notice")).to_contain_text("score 7 of 'sports' is not a number from -1 to 1")
        assert desk.outcomes()[2] == ("keep", label)
        assert desk.wrong == [text for text in desk.wrong if "422" in text]


def test_what_one_window_decided_another_does_not_overwrite(browser: Browser, tmp_path: Path) -> None:
    with _desk(browser, tmp_path / "review.jsonl", SINGLE, *_items("one", "two", label="bad")) as desk:
        other = desk.open()
        desk.press("k")
        desk.shows("two")
        other.keyboard.press("d")
        expect(other.locator("#notice")).to_contain_text("Text 1 was decided in another window")
        expect(other.locator("#decision")).to_have_text("kept")
        assert desk.outcomes() == [("keep", "bad"), (None, "bad")]
        other.keyboard.press("d")
        expect(other.locator("#text")).to_have_text("two")
        assert desk.outcomes() == [("drop", None), (None, "bad")]


def test_texts_are_chosen_by_reason_decision_and_search(browser: Browser, tmp_path: Path) -> None:
    items = _items("a goal", "a match", "a loan", label="bad")
    items[2] = replace(items[2], reason="outlier")
    with _desk(browser, tmp_path / "review.jsonl", SINGLE, *items) as desk:
        desk.page.get_by_role("button", name="outlier").click()
        desk.shows("a loan")
        desk.press("k")
        expect(desk.page.get_by_role("button", name="outlier")).to_contain_text("1/1")
        desk.page.get_by_role("button", name="all reasons").click()
        desk.page.get_by_label("Show").select_option("decided")
        expect(desk.page.locator("#position")).to_have_text("Text 1 of 1")
        desk.page.get_by_label("Show").select_option("")
        desk.press("Escape", "n")
        desk.shows("a goal")
        desk.press("/")
        desk.page.keyboard.type("MATCH")
        desk.press("Enter")
        desk.shows("a match")
        expect(desk.page.locator("#position")).to_have_text("Text 1 of 1")
        desk.page.reload()
        desk.shows("a match")
        desk.press("/")
        desk.page.keyboard.type(" nothing")
        expect(desk.page.locator("#empty")).to_contain_text("No text matches")
        assert desk.wrong == []


def test_the_shortcuts_are_listed_and_letters_can_be_switched_off(browser: Browser, tmp_path: Path) -> None:
    with _desk(browser, tmp_path / "review.jsonl", SINGLE, *_items("one", "two", label="bad")) as desk:
        desk.press("?")
        expect(desk.page.get_by_role("dialog", name="Shortcuts")).to_contain_text("undo the last decision")
        desk.press("k", "Space", "Escape")
        desk.press("k")
        desk.press("ArrowRight")
        desk.shows("two")
        assert desk.outcomes() == [(None, "bad"), (None, "bad")]


@pytest.mark.parametrize("width", [400, 1200])
def test_nothing_is_wider_than_the_window_and_long_texts_scroll_inside(
    width: int, browser: Browser, tmp_path: Path
) -> None:
    texts = ("長い記事" * 3_000, "قصير جدا", "w" * 5_000)
    items = [replace(item, reason=f"reason {place}") for place, item in enumerate(_items(*texts, label="bad"))]
    with _desk(browser, tmp_path / "review.jsonl", SINGLE, *items) as desk:
        desk.page.set_viewport_size({"width": width, "height": 800})
        for text in texts:
            desk.shows(text)
            assert desk.page.evaluate("document.documentElement.scrollWidth") <= width
            assert desk.page.evaluate("document.documentElement.scrollHeight") < 1_600
            desk.press("ArrowRight")
        desk.press("ArrowLeft", "ArrowLeft")
        desk.shows(texts[0])
        desk.press("Space")
        expect(desk.page.locator("#text")).not_to_have_js_property("scrollTop", 0)
        expect(desk.page.locator("#text p")).to_have_css("direction", "ltr")
        desk.press("ArrowRight")
        expect(desk.page.locator("#text p")).to_have_css("direction", "rtl")
