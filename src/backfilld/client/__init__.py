"""A typed client of our own HTTP API, for the command line, the demo and the tests.

Whoever speaks to a daemon should not have to know about envelopes, retries, cursors or event streams.
    async with Client("http://127.0.0.1:8484", key) as client:
        created = await client.create_backfill({...}, idempotency_key=new_key())
        async for event in client.follow(created["backfill"]["id"]): ...
"""

from backfilld.client.answers import Answer, ApiError, Detail, ServerUnreachable
from backfilld.client.events import ProgressEvent
from backfilld.client.routes import Client

__all__ = ["Answer", "ApiError", "Client", "Detail", "ProgressEvent", "ServerUnreachable"]
