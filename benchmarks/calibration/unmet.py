"""Noises and rooms that no profile was fitted on: all of a collection but those that ``extract`` takes.

    python benchmarks/calibration/unmet.py NOISE DIR

``NOISE`` has recordings in ``noise/`` and ``rir/``; ``DIR`` gets links to those left over, for ``--noise-and-rooms``.
"""

import argparse
from pathlib import Path

from extract import NOISES, ROOMS


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("noise_and_rooms", type=Path)
    parser.add_argument("directory", type=Path)
    arguments = parser.parse_args()
    for kind, met in (("noise", NOISES), ("rir", ROOMS)):
        there = {path.name: path.resolve() for path in (arguments.noise_and_rooms / kind).iterdir()}
        missing = sorted(set(met) - set(there))
        if missing:
            raise SystemExit(
                f"{kind}/ lacks {', '.join(missing)}, which the fit used: another collection?"
            )
        folder = arguments.directory / kind
        folder.mkdir(parents=True, exist_ok=True)
        for name in sorted(set(there) - set(met)):
            (folder / name).unlink(missing_ok=True)
            (folder / name).symlink_to(there[name])
        print(f"{kind}: {len(there) - len(met)} of {len(there)}")


if __name__ == "__main__":
    main()
