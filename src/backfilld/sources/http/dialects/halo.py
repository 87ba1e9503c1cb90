"""HaloPSA: numbered pages that tell the number of all records, and lists that are poorer than single records."""

from typing import Any
from urllib.parse import quote

from backfilld.sources.http.answers import inside
from backfilld.sources.http.dialects.base import Conditions
from backfilld.sources.http.dialects.generic import GenericDialect
from backfilld.sources.http.places import Place
from backfilld.sources.http.shape import Request, Resource


class HaloDialect(GenericDialect):
    """`Dialect` of HaloPSA's REST API."""

    def page(
        self, resource: Resource, pushed: Conditions, place: Place, size: int, parent: str | int | None = None
    ) -> Request:
        asked = super().page(resource, pushed, place, size)
        query = asked.query if parent is None else {**asked.query, resource.parent_field: str(parent)}
        return Request("GET", asked.path, query, endpoint=resource.path)

    def count(self, resource: Resource, pushed: Conditions) -> Request | None:
        if resource.paging.total is None or resource.parent is not None:
            return None
        return self.page(resource, pushed, self.first(resource), 1)

    def counted(self, resource: Resource, document: Any) -> int | None:
        found = inside(document, resource.paging.total or ())
        return found if type(found) is int else None

    def one(self, resource: Resource, id: str) -> Request:
        path = f"{resource.path}/{quote(id.rpartition('/')[2], safe='')}"
        return Request("GET", path, {"includedetails": "true"}, endpoint=resource.path)
