"""The confusion matrix as a heat map, and what is mistaken for what."""

from dataclasses import dataclass

TABLE_CLASSES = 14
"""Up to so many classes the matrix is a table with numbers; beyond, a picture with a list of the worst confusions."""


@dataclass(frozen=True)
class Cell:
    """One count and its share of the true class (0..1)."""

    count: int
    share: float


@dataclass(frozen=True)
class Mistake:
    """A pair of classes that is confused."""

    true: str
    predicted: str
    count: int
    share: float


@dataclass(frozen=True)
class ClassRow:
    """One true class: row of the matrix with its support, recall, precision and F1."""

    name: str
    cells: list[Cell]
    support: int
    recall: float
    precision: float
    f1: float


@dataclass(frozen=True)
class ConfusionFigure:
    """Rows in class order, and the most frequent mistakes."""

    rows: list[ClassRow]
    mistakes: list[Mistake]
    as_table: bool


def confusion_figure(classes: list[str], confusion: list[list[int]], worst: int = 8) -> ConfusionFigure:
    """confusion: [true][predicted]."""
    predicted_totals = [sum(row[column] for row in confusion) for column in range(len(classes))]
    rows = []
    mistakes = []
    for index, (name, counts) in enumerate(zip(classes, confusion, strict=True)):
        support, right = sum(counts), counts[index]
        recall = right / support if support else 0.0
        precision = right / predicted_totals[index] if predicted_totals[index] else 0.0
        f1 = 2 * precision * recall / (precision + recall) if right else 0.0
        rows.append(
            ClassRow(
                name=name,
                cells=[Cell(count, count / support if support else 0.0) for count in counts],
                support=support,
                recall=recall,
                precision=precision,
                f1=f1,
            )
        )
        mistakes += [
            Mistake(name, classes[column], count, count / support)
            for column, count in enumerate(counts)
            if column != index and count
        ]
    mistakes.sort(key=lambda mistake: -mistake.count)
    return ConfusionFigure(rows, mistakes[:worst], len(classes) <= TABLE_CLASSES)
