"""What a brake has seen in the last hour, as a line, with its limits."""

from collections.abc import Sequence
from dataclasses import dataclass

from backfilld.api.public.brakes import BrakeAnswer

WIDTH, HEIGHT = 260.0, 44.0
LEAST_SECONDS = 10.0  # of which a line can be made


@dataclass(frozen=True, slots=True)
class Spark:
    """`line`: the points of a polyline. `hold`: how high the limit stands. `seconds`: from the first to the last."""

    line: str
    hold: float | None
    least: float
    most: float
    seconds: float


def spark_of(brake: BrakeAnswer) -> Spark | None:
    """None where there is no line to be drawn: it sees no numbers, or has not for long."""
    samples = brake.last_hour
    seconds = (samples[-1].at - samples[0].at).total_seconds() if samples else 0.0
    if seconds < LEAST_SECONDS:
        return None
    limit = brake.thresholds.hold if brake.thresholds else None
    values = [one.value for one in samples]
    least, most = _range([*values, *([limit] if limit is not None else [])])

    def x(number: int) -> float:
        return WIDTH * (samples[number].at - samples[0].at).total_seconds() / seconds

    def y(value: float) -> float:
        return HEIGHT - 2 - (HEIGHT - 4) * (value - least) / (most - least)

    points = " ".join(f"{x(number):.1f},{y(value):.1f}" for number, value in enumerate(values))
    return Spark(points, None if limit is None else round(y(limit), 1), min(values), max(values), seconds)


def _range(values: Sequence[float]) -> tuple[float, float]:
    least, most = min(values), max(values)
    return (least, most) if most > least else (least - 1, most + 1)
