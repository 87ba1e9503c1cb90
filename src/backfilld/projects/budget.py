"""How much work one push may make, whatever it is written like.

A hundred bytes of YAML can stand for a billion values, and a header of a tar for minutes of searching. So whatever is
read for one caller spends from one budget, and asks at each step whether anybody still waits for the answer.
"""

from collections.abc import Callable
from dataclasses import dataclass

MOST_VALUES = 100_000  # of all files together, with every alias and merge written out


class NobodyWaits(Exception):
    """The caller has gone, or has waited long enough: the work ends here."""


class Spent(Exception):
    """There is more to read than a push may hold."""

    def __init__(self) -> None:
        super().__init__(f"the workflow files hold more than {MOST_VALUES} values together, with aliases written out")


@dataclass(slots=True)
class Budget:
    """`is_over` may be set by another thread; whoever reads ends with NobodyWaits then."""

    is_over: Callable[[], bool] = lambda: False
    values: int = MOST_VALUES

    def spend(self) -> None:
        """One value more. NobodyWaits, Spent."""
        self.look_up()
        self.values -= 1
        if self.values < 0:
            raise Spent

    def look_up(self) -> None:
        """To be called between steps that cost something. NobodyWaits."""
        if self.is_over():
            raise NobodyWaits
