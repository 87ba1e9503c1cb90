"""What happened to a file on its way in though nothing was wrong with it, counted, for the command's last lines."""

from collections.abc import Sequence

from backfilld.domain.entities.upload_remarks import Places


class Notes:
    """Facts that are told once, and things that are counted with the lines of the first few."""

    def __init__(self) -> None:
        self._facts: dict[str, None] = {}
        self._counted: dict[str, Places] = {}

    def fact(self, sentence: str) -> None:
        self._facts.setdefault(sentence)

    def count(self, what: str, line: int) -> None:
        places = self._counted.get(what)
        if places is None:
            places = self._counted[what] = Places()
        places.add(line)

    def sentences(self) -> Sequence[str]:
        return [*self._facts, *(f"{what}: {places.count:,} (at {places})" for what, places in self._counted.items())]
