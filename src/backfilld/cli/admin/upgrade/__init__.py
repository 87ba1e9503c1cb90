"""`backfilld upgrade`: the installed versions of a VM, and the ways from one to another."""
