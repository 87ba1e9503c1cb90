"""Everything that starts work, whoever asks for it: it knows neither backfills nor attempts."""
