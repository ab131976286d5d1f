"""What investigators do: turn recordings into actors on watchlists, alone or by the manifest."""
