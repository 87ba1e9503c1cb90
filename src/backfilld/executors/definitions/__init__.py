"""What a workflow's executor is told, by kind."""
