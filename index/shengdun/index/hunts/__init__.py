"""Hunts: every archived call of one voice or one script."""
