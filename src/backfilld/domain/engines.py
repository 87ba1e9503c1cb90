"""How engines that people already run are named among the targets."""

_PREFIX = "engine:"


def engine_target(name: str) -> str:
    """The target of everything that runs on the engine of that name: it shares its fate."""
    return _PREFIX + name


def is_engine(target: str) -> bool:
    """Whether a target is an engine, and no origin, program or connection."""
    return target.startswith(_PREFIX)


def shown_target(target: str) -> str:
    """A target as people call it: of an engine its name."""
    return target.removeprefix(_PREFIX)
