"""Voices that nobody has enrolled: which recent calls are by one voice, and for how many customers it has called."""
