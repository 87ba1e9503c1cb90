"""backfilld runs a workflow over the past without hurting the present."""

__version__ = "0.1.1"
