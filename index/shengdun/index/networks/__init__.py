"""Networks: which agents, voices, customers, numbers and scripts belong together, and what speaks for it."""
