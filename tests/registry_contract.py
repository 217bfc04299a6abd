"""What every registry must do, whoever keeps it: a suite that the tests of each adapter inherit.

A subclass gives a fixture `registry`: a new, empty one. Reading again, as another process does, goes through `again`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from copydesk.bundle import Bundle, Layout, Settings, open_bundle, write_bundle
from copydesk.errors import RegistryError, Stale
from copydesk.recipe import parse_recipe
from copydesk.registry.base import Change, Facts, Registered, Registry

AT = "2026-11-21T10:00:0{}+00:00"
MOVES = {"by": "ada", "at": AT.format(0)}


def small_bundle(path: Path, content: str = "weights", name: str = "toy") -> Bundle:
    """Write a bundle that is whole and holds next to nothing; other content, another digest."""

    def fill(layout: Layout) -> Settings:
        (layout.model / "weights.txt").write_text(content, "utf-8")
        (layout.model / "deep").mkdir()
        (layout.model / "deep" / "empty.txt").write_text("", "utf-8")
        layout.report.write_text("{}", "utf-8")
        layout.report_page.write_text("<p>ö</p>", "utf-8")
        layout.card.write_text("# toy", "utf-8")
        return Settings("single", ("a", "b"), "linear", ("text",), ())

    return write_bundle(path, recipe=parse_recipe({"name": name}), facts={"data": "d" * 64}, fill=fill)


def facts_for(bundle: Bundle, **other: Any) -> Facts:
    """Return facts about a bundle, some of them others."""
    facts = Facts(bundle.digest, "d" * 64, "c" * 40, "ada", AT.format(0), {"accuracy": 0.98765432101, "macro_f1": 0.9})
    return replace(facts, **other)


def promoted(version: int, before: int | None, **other: Any) -> Change:
    """Return a promotion."""
    return Change(**{"action": "promoted", "version": version, "alias": "production", "before": before} | MOVES | other)


class RegistryContract:
    """The suite."""

    @pytest.fixture
    def registry(self) -> Registry:
        raise NotImplementedError

    @pytest.fixture
    def again(self, registry: Registry) -> Callable[[], Registry]:
        """Return what opens the same registry as another process does."""
        return lambda: registry

    @pytest.fixture
    def bundles(self, tmp_path: Path) -> list[Bundle]:
        return [small_bundle(tmp_path / f"bundle-{number}", f"weights {number}") for number in range(1, 4)]

    @pytest.fixture
    def three(self, registry: Registry, bundles: list[Bundle]) -> list[Registered]:
        return [registry.add(bundle, "toy", facts_for(bundle)) for bundle in bundles]

    def test_an_empty_registry_has_no_names(self, registry: Registry) -> None:
        assert registry.names() == []

    def test_versions_are_numbered_from_one_and_listed_newest_first(
        self, registry: Registry, three: list[Registered]
    ) -> None:
        assert [one.version for one in three] == [1, 2, 3]
        assert [one.version for one in registry.versions("toy")] == [3, 2, 1]
        assert registry.names() == ["toy"]

    def test_another_process_reads_the_facts_as_they_were_given(
        self, again: Callable[[], Registry], three: list[Registered], bundles: list[Bundle]
    ) -> None:
        assert again().versions("toy") == three[::-1]
        assert three[0].facts == facts_for(bundles[0])

    def test_facts_that_are_empty_stay_empty(self, registry: Registry, bundles: list[Bundle]) -> None:
        facts = facts_for(bundles[0], commit="", data="", by="Ada Ö. Lovelace", metrics={})
        registry.add(bundles[0], "toy", facts)
        assert registry.find("toy", 1).facts == facts

    def test_an_equal_bundle_is_the_version_that_is_there(
        self, registry: Registry, three: list[Registered], bundles: list[Bundle]
    ) -> None:
        same = registry.add(bundles[1], "toy", facts_for(bundles[1], by="bob"))
        assert same == three[1]
        assert len(registry.versions("toy")) == 3

    def test_the_same_bundle_under_another_name_is_another_model(
        self, registry: Registry, three: list[Registered], bundles: list[Bundle]
    ) -> None:
        assert registry.add(bundles[0], "other", facts_for(bundles[0])).version == 1
        assert registry.names() == ["other", "toy"]

    def test_a_download_is_the_bundle(
        self, registry: Registry, three: list[Registered], bundles: list[Bundle], tmp_path: Path
    ) -> None:
        folder = tmp_path / "download"
        folder.mkdir()
        registry.download(three[1], folder)
        assert open_bundle(folder).digest == bundles[1].digest == three[1].facts.digest
        assert (folder / "report.html").read_text("utf-8") == "<p>ö</p>"

    def test_a_signature_goes_along_and_comes_back(self, registry: Registry, tmp_path: Path) -> None:
        bundle = small_bundle(tmp_path / "signed", "signed weights")
        bundle.layout.signature.write_bytes(b"s" * 64)
        version = registry.add(bundle, "toy", facts_for(bundle))
        folder = tmp_path / "download"
        folder.mkdir()
        registry.download(version, folder)
        assert open_bundle(folder).members == bundle.members
        assert (folder / "manifest.json.sig").read_bytes() == b"s" * 64

    def test_a_version_is_found_by_number_and_by_alias(self, registry: Registry, three: list[Registered]) -> None:
        registry.point("toy", promoted(2, None))
        assert registry.find("toy", 2).facts == three[1].facts
        assert registry.find("toy", "production") == replace(three[1], aliases=("production",))

    def test_what_there_is_not_is_told_with_what_there_is(self, registry: Registry, three: list[Registered]) -> None:
        registry.point("toy", promoted(2, None, alias="staging", action="pointed"))
        for which in (9, 0, "production"):
            with pytest.raises(RegistryError, match=r"(?s)'toy'.*staging"):
                registry.find("toy", which)

    def test_an_unknown_model_is_told(self, registry: Registry, three: list[Registered]) -> None:
        for ask in (registry.versions, registry.history, lambda name: registry.find(name, 1)):
            with pytest.raises(RegistryError, match="'nothing'"):
                ask("nothing")

    def test_a_name_that_no_recipe_may_have_goes_nowhere(self, registry: Registry, bundles: list[Bundle]) -> None:
        for name in ("../toy", "a/b", "a:b", "A", "", "a' OR '1'='1", "a\nb", "x" * 65, "-a", "a\n"):
            for ask in (registry.versions, registry.history, lambda name: registry.find(name, 1)):
                with pytest.raises(RegistryError, match="name"):
                    ask(name)
            with pytest.raises(RegistryError, match="name"):
                registry.add(bundles[0], name, facts_for(bundles[0]))
            with pytest.raises(RegistryError, match="name"):
                registry.point(name, promoted(1, None))
        assert registry.names() == []

    def test_an_alias_that_could_be_a_version_or_a_path_goes_nowhere(
        self, registry: Registry, three: list[Registered]
    ) -> None:
        for alias in ("a/b", "latest", "v3", "3", "", "a b", "a'b", "x" * 65):
            with pytest.raises(RegistryError, match="alias"):
                registry.point("toy", promoted(1, None, alias=alias))
        assert registry.history("toy") == []

    def test_an_alias_moves_and_the_history_says_so(
        self, again: Callable[[], Registry], registry: Registry, three: list[Registered]
    ) -> None:
        moves = [
            promoted(1, None, test="t" * 64),
            promoted(3, 1, by="bob", at=AT.format(1)),
            Change("rolled back", 1, "ada", AT.format(2), "production", 3, 'it is "slow"\nö'),
        ]
        for move in moves:
            registry.point("toy", move)
        assert again().history("toy") == moves
        assert again().find("toy", "production").version == 1
        assert [one.aliases for one in again().versions("toy")] == [(), (), ("production",)]

    def test_who_moves_from_where_the_alias_is_not_any_more_is_told(
        self, registry: Registry, three: list[Registered]
    ) -> None:
        registry.point("toy", promoted(1, None))
        for stale in (promoted(2, None), promoted(2, 3)):
            with pytest.raises(Stale, match=r"(?s)'toy'.*1"):
                registry.point("toy", stale)
        assert registry.find("toy", "production").version == 1
        assert registry.history("toy") == [promoted(1, None)]

    def test_of_two_who_move_at_the_same_time_one_wins_and_the_other_is_told(
        self, registry: Registry, again: Callable[[], Registry], three: list[Registered]
    ) -> None:
        registry.point("toy", promoted(1, None))
        ready, outcomes = threading.Barrier(2), dict[int, str]()

        def move(version: int, mine: Registry) -> None:
            ready.wait(30)
            try:
                mine.point("toy", promoted(version, 1))
                outcomes[version] = "won"
            except Stale:
                outcomes[version] = "told"

        movers = [threading.Thread(target=move, args=(version, again())) for version in (2, 3)]
        for mover in movers:
            mover.start()
        for mover in movers:
            mover.join()
        assert sorted(outcomes.values()) == ["told", "won"]
        winner = next(version for version, outcome in outcomes.items() if outcome == "won")
        assert registry.find("toy", "production").version == winner
        assert registry.history("toy") == [promoted(1, None), promoted(winner, 1)]

    def test_an_alias_never_leads_to_a_version_that_there_is_not(
        self, registry: Registry, three: list[Registered]
    ) -> None:
        with pytest.raises(RegistryError, match="9"):
            registry.point("toy", promoted(9, None))
        assert registry.history("toy") == []
        assert all(not one.aliases for one in registry.versions("toy"))

    def test_aliases_move_apart_from_each_other(self, registry: Registry, three: list[Registered]) -> None:
        registry.point("toy", promoted(1, None))
        registry.point("toy", promoted(1, None, alias="staging", action="pointed"))
        registry.point("toy", promoted(2, 1, alias="staging", action="pointed"))
        assert registry.find("toy", "production").version == 1
        assert registry.find("toy", "staging").version == 2
        registry.point("toy", promoted(2, 1))
        assert registry.find("toy", 2).aliases == ("production", "staging")

    def test_a_refusal_is_noted_and_moves_nothing(self, registry: Registry, three: list[Registered]) -> None:
        refused = Change("refused", 2, "ada", AT.format(1), "production", reason="accuracy", test="t" * 64)
        registry.point("toy", promoted(1, None))
        registry.note("toy", refused)
        registry.point("toy", promoted(2, 1))
        assert registry.history("toy") == [promoted(1, None), refused, promoted(2, 1)]

    def test_what_is_attached_is_read_and_replaced(
        self, registry: Registry, again: Callable[[], Registry], three: list[Registered]
    ) -> None:
        assert registry.attached(three[0], "checks") is None
        registry.attach(three[0], "checks", {"score": 3.5, "behaviours": {"ö": [1, None]}})
        registry.attach(three[0], "gate", {"passed": True})
        assert again().attached(three[0], "checks") == {"score": 3.5, "behaviours": {"ö": [1, None]}}
        registry.attach(three[0], "checks", {"score": 4})
        assert again().attached(three[0], "checks") == {"score": 4}
        assert again().attached(three[0], "gate") == {"passed": True}
        assert registry.attached(three[1], "checks") is None

    def test_what_is_attached_changes_neither_digest_nor_download(
        self, registry: Registry, three: list[Registered], tmp_path: Path
    ) -> None:
        registry.attach(three[0], "checks", {"score": 4})
        folder = tmp_path / "download"
        folder.mkdir()
        registry.download(registry.find("toy", 1), folder)
        assert open_bundle(folder).digest == three[0].facts.digest
