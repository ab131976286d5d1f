"""How accurate recognition is on a corpus: trials, watchlists, intervals, and a report of them."""
