"""What a million texts cost: answers a second that were measured, and prices that are given, in one file.

    cost = 1,000,000 / (texts a second x share of the time that the machine is busy) x price of a second

Texts a second grow with the cores. A price of a core's second is taken for a server as large as `machine` says.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, model_validator

from copydesk.recipe.base import Section
from copydesk.recipe.mistakes import parsed
from copydesk.recipe.strict_yaml import read_yaml
from copydesk.shipped import shipped

_MILLION = 1_000_000


class Rate(Section):
    """A measured speed."""

    name: str
    texts_per_second: float = Field(gt=0)
    cpus: int = Field(gt=0)
    requests: bool = True
    where: str


class Machine(Section):
    """How large a server is where its cores and memory are paid for one by one."""

    cpus: int = Field(gt=0)
    memory_gib: float = Field(gt=0)


class Price(Section):
    """A price of cores and memory by the second, or of a machine by the hour; where it was read, and how sure it is."""

    name: str
    cpu_second: float | None = Field(None, gt=0)
    gib_second: float = Field(0.0, ge=0)
    hour: float | None = Field(None, gt=0)
    cpus: int | None = Field(None, gt=0)
    million_requests: float = Field(0.0, ge=0)
    idle_is_free: bool = False
    source: str
    read: date | None
    checked: str

    @model_validator(mode="after")
    def _one_way(self) -> Price:
        if (self.cpu_second is None) == (self.hour is None) or (self.hour is None) != (self.cpus is None):
            raise ValueError(f"{self.name!r} needs cpu_second, or hour and cpus")
        return self

    def second(self, machine: Machine) -> float:
        """Return what a second of a server costs."""
        if self.hour is not None:
            return self.hour / 3_600
        return machine.cpus * (self.cpu_second or 0) + machine.memory_gib * self.gib_second

    def cores(self, machine: Machine) -> int:
        """Return the cores that one gets for it."""
        return self.cpus or machine.cpus


class Costs(Section):
    """Rates and prices."""

    currency: str
    utilisation: list[Annotated[float, Field(gt=0, le=1)]] = Field(min_length=1)
    rates: list[Rate] = Field(min_length=1)
    machine: Machine
    prices: list[Price] = Field(min_length=1)

    def per_million(self, rate: Rate, price: Price, utilisation: float) -> float:
        """Return what a million texts cost, one text a request."""
        texts = rate.texts_per_second / rate.cpus * price.cores(self.machine)
        busy = 1.0 if price.idle_is_free else utilisation
        requests = price.million_requests if rate.requests else 0.0
        return _MILLION / (texts * busy) * price.second(self.machine) + requests

    def rows(self, utilisation: float | None = None) -> list[dict[str, Any]]:
        """Return a row for each rate and price, with the costs by utilisation."""
        shares = [utilisation] if utilisation else self.utilisation
        return [
            {
                "rate": rate.name,
                "price": price.name,
                "per_million": {share: self.per_million(rate, price, share) for share in shares},
            }
            for rate in self.rates
            for price in self.prices
            if rate.requests or not price.idle_is_free
        ]

    def markdown(self, utilisation: float | None = None) -> str:
        """Return the rows as a table, as docs/costs.md has it."""
        shares = [utilisation] if utilisation else self.utilisation
        head = ["what", "where", *(f"busy {share:.0%}" for share in shares)]
        lines = [
            [row["rate"], row["price"], *(f"{cost:.3g}" for cost in row["per_million"].values())]
            for row in self.rows(utilisation)
        ]
        return "\n".join(
            f"| {' | '.join(cells)} |" for cells in [head, ["---", "---", *("---:" for _ in shares)], *lines]
        )

    def to_json(self, utilisation: float | None = None) -> dict[str, Any]:
        """Return the rows as JSON has them; shares are keys there."""
        rows = [
            {**row, "per_million": {f"{share:g}": cost for share, cost in row["per_million"].items()}}
            for row in self.rows(utilisation)
        ]
        return {"currency": self.currency, "rows": rows}


def load_costs(path: Path | None = None) -> Costs:
    """Read rates and prices; those that come with Copydesk unless a file is given. Raises `RecipeError`."""
    found = path or shipped("deploy/costs.yaml")
    return parsed(Costs, read_yaml(found, "The prices"), f"The prices '{found}'")
