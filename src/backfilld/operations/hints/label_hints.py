"""Numbers that stand for words: what a filter says that names the word where the number belongs."""

from collections.abc import Mapping, Sequence

from backfilld.domain.errors import Fault
from backfilld.domain.filters import Tree
from backfilld.domain.filters.tree import rules_of

LABELS_SHOWN = 20


def with_labels(
    faults: Sequence[Fault], tree: Tree, labels: Mapping[str, Sequence[tuple[str, str]]]
) -> Sequence[Fault]:
    """Where a word stands for a number that has one, the fault names the numbers."""
    if not labels:
        return faults
    fields = {rule.value_at: labels[rule.spelled] for rule in rules_of(tree) if rule.spelled in labels}

    def labelled(fault: Fault) -> Fault:
        values = next((known for at, known in fields.items() if fault.path in (at, *_elements(at, fault.path))), None)
        if fault.code != "type_mismatch" or values is None:
            return fault
        shown = ", ".join(f"{value} {label}" for value, label in values[:LABELS_SHOWN])
        more = ", …" if len(values) > LABELS_SHOWN else ""
        allowed = tuple(value for value, _ in values[:LABELS_SHOWN])
        return Fault(fault.path, fault.code, f"{fault.message}: its values are numbers ({shown}{more})", allowed)

    return [labelled(fault) for fault in faults]


def _elements(at: str, path: str) -> tuple[str, ...]:
    """`path`, if it leads to an element of the list there."""
    return (path,) if path.startswith(at + "/") else ()
