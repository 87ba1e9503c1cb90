"""Items as workflow runs of Temporal."""
