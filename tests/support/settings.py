"""A backfill of which nothing is as it would be by itself: whatever loses a setting on the way is seen."""

from datetime import date

from tests.support.backfills import SETTINGS

from backfilld.domain.backfill_settings import BackfillSettings, FailurePolicy, SlowDown

NIGHTS = {"friday": [{"run_start_time": "22:00", "run_end_time": "06:00"}], "monday": []}
UNUSUAL = BackfillSettings(
    entity_type="company",
    filter_spec={"status": "open", "amount": 2**53 + 1, "share": 1e18},
    daily_execution_windows=NIGHTS,
    timezone="Asia/Tokyo",
    max_in_flight=3,
    max_attempts=7,
    total_estimated=11,
    name="night",
    reason="years of it",
    start="when_approved",
    order="newest_first",
    reprocess_behavior="none",
    sample_size=4,
    excluded_dates=frozenset({date(2027, 12, 24), date(2027, 12, 25)}),
    params={"z": 1, "a": [1, None, 1e22]},
    stop_on_failure=True,
    rehearsal=True,
    slow_down=SlowDown(latency_ms=500, of="p95", over=40),
    max_credits=99.5,
    starts_per_minute=7.5,
    failure_policy=FailurePolicy(max_failure_ratio=0.25, window=100, min_sample=10, max_consecutive_failures=7),
    recheck=True,
)
ORDINARY = SETTINGS
NOT_KEPT_BY_A_RERUN = {"start", "sample_size", "reprocess_behavior", "name", "reason", "total_estimated", "recheck"}
