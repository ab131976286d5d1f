"""Backfill: recorded calls are screened into the call archive as calls of the past."""
