from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from copydesk.cli.main import app
from copydesk.deployment.costs import load_costs
from copydesk.errors import RecipeError

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "costs.md").read_text("utf-8")


def test_the_pages_tables_are_worked_out_from_the_file() -> None:
    costs = load_costs()
    assert costs.markdown() in PAGE
    for rate in costs.rates:
        assert f"| {rate.name} | {rate.texts_per_second:,.0f} | {rate.cpus} | {rate.where} |" in PAGE
    for price in costs.prices:
        assert f"| [{price.name}]({price.source}): " in PAGE and f"| {price.read or 'not'} | {price.checked} |" in PAGE


def test_a_million_texts_by_hand() -> None:
    costs = load_costs()
    rate = costs.rates[0].model_copy(update={"texts_per_second": 100.0, "cpus": 2})
    always, busy, machine = costs.prices
    always = always.model_copy(update={"cpu_second": 0.00001, "gib_second": 0.00000001})
    assert costs.per_million(rate, always, 1.0) == pytest.approx(10_000 * (2 * 0.00001 + 0.00000001))
    assert costs.per_million(rate, always, 0.1) == pytest.approx(10 * costs.per_million(rate, always, 1.0))
    assert costs.per_million(rate, busy, 0.1) == costs.per_million(rate, busy, 1.0)
    larger = machine.model_copy(update={"hour": 3.6, "cpus": 4})
    assert costs.per_million(rate, larger, 1.0) == pytest.approx(1_000_000 / 200 * 0.001)


def test_prices_of_ones_own_are_checked(tmp_path: Path) -> None:
    file = tmp_path / "prices.yaml"
    text = (ROOT / "deploy" / "costs.yaml").read_text("utf-8")
    file.write_text(text.replace("hour: 0.067", "hour: -1"))
    with pytest.raises(RecipeError, match=r"hour"):
        load_costs(file)
    file.write_text(text.replace("    cpus: 2\n    source", "    source"))
    with pytest.raises(RecipeError, match="hour and cpus"):
        load_costs(file)
    for wrong in ("0", "30"):  # a share: 0.3
        file.write_text(text.replace("[1.0, 0.3, 0.05]", f"[1.0, {wrong}]"))
        with pytest.raises(RecipeError, match=r"utilisation\.1"):
            load_costs(file)
    file.write_text("- 1\n")
    with pytest.raises(RecipeError, match=r"prices.yaml': \[1\] is not valid"):
        load_costs(file)


def test_the_command_prints_the_table_and_json() -> None:
    printed = CliRunner().invoke(app, ["deploy", "costs"])
    assert printed.exit_code == 0 and printed.stdout.strip() == load_costs().markdown()
    found = json.loads(CliRunner().invoke(app, ["deploy", "costs", "--utilisation", "0.5", "--json"]).stdout)
    assert found["currency"] == "USD" and set(found["rows"][0]["per_million"]) == {"0.5"}
