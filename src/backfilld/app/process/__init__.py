"""The process as the operating system sees it: signals, files it holds, tasks, and why it cannot work."""
