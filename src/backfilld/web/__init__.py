"""The dashboard: pages for people, drawn here and whole without script. It calls operations, and no store."""
