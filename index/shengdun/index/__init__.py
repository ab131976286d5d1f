"""What is known and searchable: watchlists, their store and journal, snapshots, scoring."""
