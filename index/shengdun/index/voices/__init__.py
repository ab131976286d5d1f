"""Voices that nobody has enrolled: calls of one voice found among those of many."""
