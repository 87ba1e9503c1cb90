"""`/openapi.json`, the page made from it, and the guide."""

import asyncio
from collections.abc import Sequence
from functools import cache

from aiohttp import web

from backfilld.api.framework.answering.responses import encode
from backfilld.api.framework.routing import RequestContext, Route
from backfilld.api.reference import guide_page
from backfilld.api.reference.docs_page import CONTENT_SECURITY_POLICY, page
from backfilld.api.reference.openapi import document
from backfilld.domain.errors import NotFound


def with_documents(routes: Sequence[Route], public_url: str = "") -> list[Route]:
    """`routes`, and those that describe them all; `public_url` is where people reach them, if that is known."""
    whole: list[Route] = list(routes)

    @cache  # made once, when somebody first asks
    def made() -> bytes:
        return encode(document(whole, public_url))

    @cache
    def drawn() -> str:
        return page(document(whole, public_url))

    async def openapi(_: RequestContext[None, None]) -> web.Response:
        return web.Response(body=await asyncio.to_thread(made), content_type="application/json")

    async def docs(_: RequestContext[None, None]) -> web.Response:
        headers = {"Content-Security-Policy": CONTENT_SECURITY_POLICY}
        return web.Response(text=await asyncio.to_thread(drawn), content_type="text/html", headers=headers)

    whole += [
        Route("GET", "/openapi.json", openapi, None, "This document", None, tag="Documents"),
        Route("GET", "/docs", docs, None, "This document, for people", None, tag="Documents", content_type="text/html"),
        *_guide_routes(),
    ]
    return whole


def _guide_routes() -> list[Route]:
    @cache
    def page_of_guide(name: str) -> str:
        return guide_page.guide().page(name)

    async def guide(asked: RequestContext[None, None]) -> web.Response:
        name = asked.path.get("page", guide_page.HOME)
        if name not in guide_page.guide():
            raise NotFound("the guide has no such page")
        headers = {"Content-Security-Policy": guide_page.CONTENT_SECURITY_POLICY}
        text = await asyncio.to_thread(page_of_guide, name)
        return web.Response(text=text, content_type="text/html", headers=headers)

    return [
        Route(
            "GET", "/docs/guide", guide, None, "How to use and run it", None, tag="Documents", content_type="text/html"
        ),
        Route(
            "GET",
            "/docs/guide/{page}",
            guide,
            None,
            "A page of the guide, such as `operations`",
            None,
            tag="Documents",
            content_type="text/html",
        ),
    ]
