"""What a backfill costs, beside peers and limits: `make bench`. docs/benchmarks.md says how it is measured."""
