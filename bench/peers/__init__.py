"""Programs that are measured beside ours, each run in an environment of its own. They import nothing of the project."""
