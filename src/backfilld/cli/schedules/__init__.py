"""`backfilld schedules …` and `backfilld attempts …`."""
