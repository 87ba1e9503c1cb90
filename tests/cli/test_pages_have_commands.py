"""Every button of the dashboard has a command, and every page one that prints it as JSON; a new page without fails."""

import click
import pytest
from tests.cli.every_command import commands
from tests.support.all_routes import all_routes

COMMANDS = {" ".join(path): command for path, command in commands()}
# A page, and what does or prints the same; of a page with a button also what the button does.
TWINS = {
    "/": "backfills list",
    "/backfills/new": "backfills create",
    "/backfills/{id}": "backfills show",
    "/backfills/{id}/entities": "backfills entities",
    "/backfills/{id}/entities/{entity_id}": "backfills entity",
    "/backfills/{id}/report": "backfills report",
    "/backfills/{id}/errors": "backfills errors",
    "/backfills/{id}/timeline": "backfills timeline",
    "/backfills/{id}/settings": "backfills show",
    "/backfills/{id}/pause": "backfills pause",
    "/backfills/{id}/resume": "backfills resume",
    "/backfills/{id}/cancel": "backfills cancel",
    "/backfills/{id}/rerun-failed": "backfills rerun-failed",
    "/backfills/{id}/rerun": "backfills rerun",
    "/backfills/{id}/delete": "backfills delete",
    "/backfills/{id}/try-now": "backfills try-now",
    "/backfills/{id}/override": "backfills override",
    "/backfills/{id}/end-override": "backfills override",
    "/backfills/{id}/edit": "backfills edit",
    "/schedules": "schedules list",
    "/schedules/{id}": "schedules show",
    "/schedules/{id}/disable": "schedules disable",
    "/schedules/{id}/enable": "schedules enable",
    "/schedules/{id}/skip": "schedules skip",
    "/schedules/{id}/backfill": "schedules backfill",
    "/sessions/{id}": "sessions show",
    "/sessions/{id}/retry": "attempts retry",
    "/attempts/{id}": "attempts show",
    "/attempts/{id}/log/{try}": "attempts log",
    "/attempts/{id}/kill": "attempts kill",
    "/system": "status",
    "/system/targets": "targets list",
    "/system/targets/try-now": "targets try-now",
    "/system/engines/{name}/test": "engines test",
    "/system/sources": "sources list",
    "/system/sources/{type}/test": "sources test",
    "/system/brakes": "brakes list",
    "/system/brakes/{name}/test": "brakes test",
    "/system/brakes/{name}/reset": "brakes reset",
    "/system/brakes/{name}/release": "brakes release",
    "/system/notifications": "notifications list",
    "/system/notifications/{name}": "notifications deliveries",
    "/system/notifications/{name}/test": "notifications test",
    "/system/notifications/{name}/resend": "notifications resend",
    "/system/notifications/{name}/deliveries/{id}/resend": "notifications resend",
    "/system/workflows": "workflows list",
    "/system/workflows/{id}/enable": "workflows enable",
    "/system/workflows/{id}/disable": "workflows disable",
    "/system/workflows/{id}/delete": "workflows delete",
    "/system/keys": "keys list",
    "/system/keys/new": "keys create",
    "/system/keys/{id}/revoke": "keys revoke",
    "/system/audit": "audit-log",
    "/system/stop-all": "stop-all",
    "/system/start-all": "start-all",
}
# What only a browser has: its session and how it likes the pages; what pages are made of; what is for machines.
OF_THE_BROWSER = {
    "/sign-in", "/sign-in/entra", "/sign-in/entra/callback", "/sign-out", "/account", "/account/sessions/{id}/end",
    "/preferences", "/assets/{hash}/{name}", "/healthz", "/readyz", "/metrics",
}  # fmt: skip
NO_JSON = {  # they speak to nobody, to a shell, to systemd, or hand out a file
    "serve", "backfills report", "db dump", "db restore", "upgrade check", "upgrade prune", "upgrade rollback",
    "upgrade switch", "login", "logout", "completion", "install-service",
}  # fmt: skip


def pages() -> set[str]:
    others = ("/api/", "/public-api/", "/docs", "/openapi.json", "/events/")
    return {route.path for route in all_routes() if not route.path.startswith(others)}


def test_every_page_and_every_button_has_a_command():
    assert set() == pages() - TWINS.keys() - OF_THE_BROWSER
    assert set() == (TWINS.keys() | OF_THE_BROWSER) - pages()
    assert set() == set(TWINS.values()) - COMMANDS.keys()


@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - NO_JSON))
def test_a_command_prints_json_where_it_is_asked_to(name):
    assert any("--json" in option.opts for option in COMMANDS[name].params if isinstance(option, click.Option))
