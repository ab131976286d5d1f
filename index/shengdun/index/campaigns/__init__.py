"""Campaigns: wording that different customers share without any script being known."""
