"""The endpoints that `[[notifications]]` names."""

from collections.abc import Iterator

from backfilld.config import Settings
from backfilld.config.sections.notifications import NotificationSettings
from backfilld.engine.notifications.endpoint import Endpoint
from backfilld.executors.secrets import SecretStore


def endpoints_of(settings: Settings, secrets: SecretStore) -> Iterator[Endpoint]:
    """Each with its address and its signing secret as they are whenever somebody asks."""
    for chosen in settings.notifications:
        yield _endpoint(chosen, secrets)


def _endpoint(chosen: NotificationSettings, secrets: SecretStore) -> Endpoint:
    address, secret = chosen.url, chosen.secret
    return Endpoint(
        chosen.name,
        chosen.format,
        lambda: address if isinstance(address, str) else secrets.get(address.secret).present,
        None if chosen.events is None else frozenset(chosen.events),
        None if chosen.workflows is None else frozenset(chosen.workflows),
        lambda: () if secret is None else secrets.get(secret.secret).reveal(),
    )
