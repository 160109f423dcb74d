"""The tables of the benchmarks, as Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class Table:
    """A table with a title and a header."""

    title: str
    header: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)

    def to_markdown(self) -> str:
        """Return the table as Markdown, with its title as a heading."""
        lines = [self.header, ["---", *["---:"] * (len(self.header) - 1)], *self.rows]
        return "\n".join([f"### {self.title}", "", *("| " + " | ".join(line) + " |" for line in lines)])


@dataclass(frozen=True)
class Goal:
    """A ratio of two results, and its maximum."""

    name: str
    ratio: float
    maximum: float


def goals_table(goals: Sequence[Goal]) -> Table:
    """Return a table of ratios with their maxima."""
    rows = [
        (goal.name, f"{goal.ratio:.2f}", f"{goal.maximum:.2f}", "yes" if goal.ratio <= goal.maximum else "no")
        for goal in goals
    ]
    return Table("Ratios of minima", ("ratio", "reached", "goal", "within"), list(rows))
