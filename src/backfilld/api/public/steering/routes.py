"""All of them."""

from backfilld.api.framework.routing import Route
from backfilld.api.public.steering import change, clone, override, reruns, try_now
from backfilld.operations.backfill_verbs import BackfillOperations


def routes(operations: BackfillOperations) -> list[Route]:
    """Each is served by a module of its own."""
    return [route for module in (change, override, try_now, reruns, clone) for route in module.routes(operations)]
