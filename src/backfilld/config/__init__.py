"""Everything that an operator can tune, read once into one frozen `Settings`.

Nobody else reads the configuration file, the environment or credentials. What is wrong is told all at
once, with the place it was written in and the nearest thing that would have been right.
"""

from backfilld.config.cautions import cautions_of
from backfilld.config.faults import ConfigError, ConfigFault
from backfilld.config.loading import check, load_settings
from backfilld.config.model import Settings
from backfilld.config.sections.crashing import crash_fuse
from backfilld.config.sections.workflows import WorkflowSettings

__all__ = [
    "ConfigError",
    "ConfigFault",
    "Settings",
    "WorkflowSettings",
    "cautions_of",
    "check",
    "crash_fuse",
    "load_settings",
]
