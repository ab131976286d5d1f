"""Makes the benchmarks importable, as they are in a checkout."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
