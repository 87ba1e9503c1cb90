"""How the targets and this machine are doing: who may be asked, and since when not."""
