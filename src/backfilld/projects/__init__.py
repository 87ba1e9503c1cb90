"""Projects as digdag's clients push them: an archive of `.dig` files in, definitions of workflows out.

Everything that is wrong is said at once, each with its file and line, since whoever pushes sits in front of an editor.
Free of I/O, but for `packing`, which the command line uses.
"""

from backfilld.projects.archives import ArchiveLimits
from backfilld.projects.faults import ProjectFault, ProjectInvalid
from backfilld.projects.reading import PushedWorkflow, read_archived_project, read_files

__all__ = [
    "ArchiveLimits",
    "ProjectFault",
    "ProjectInvalid",
    "PushedWorkflow",
    "read_archived_project",
    "read_files",
]
