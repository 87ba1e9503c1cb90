"""What the processes that run tests tell the one that counts them: that a test has passed, or all that went wrong.

xdist sends six messages of each test; a line of dots needs two of them. The others cost more than a small test does.
"""

from typing import Any

import pytest


def send_fewer_messages(config: pytest.Config) -> None:
    """From now on, if this is such a process, and nobody wants to know how long the parts of a test took."""
    if not hasattr(config, "workerinput") or config.getoption("durations") or config.getoption("xmlpath"):
        return
    plugins = config.pluginmanager.get_plugins()
    sender: Any = next(plugin for plugin in plugins if type(plugin).__name__ == "WorkerInteractor")
    send = sender.sendevent

    def sendevent(name: str, **told: Any) -> None:
        if _is_needed(name, told):
            send(name, **told)

    sender.sendevent = sendevent


def _is_needed(name: str, told: dict[str, Any]) -> bool:
    if name == "testreport":
        return bool(told["data"]["when"] == "call" or told["data"]["outcome"] != "passed")
    return name not in ("logstart", "logfinish")
