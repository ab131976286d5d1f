"""Fit the spread that ships: ``python -m benchmarks.unknown.default_spread SPEECH MODELS CACHE``.

On speakers of ``FIT`` alone whose recordings have an open licence, under the default profile of the voice model. That
profile has met most of them, so what an LLR is worth can't be told from them. What all speakers of ``FIT`` say of that,
each corpus under projections that hadn't met it, is printed (decision note 0034).
"""

import csv
import sys
from pathlib import Path
from typing import Final

from benchmarks.unknown.calibrating import SHIPPED_WORTH, fit_under, worth_where_new
from benchmarks.unknown.hearing import Listener
from benchmarks.unknown.people import Side, read_people

import shengdun.index.voices
from shengdun.fingerprint.voice.acoustics import Acoustics
from shengdun.fingerprint.voice.model_store import ModelStore
from shengdun.index.calibration import default_profile
from shengdun.index.voices.shipped import save_spread

CHANNELS: Final = 8
AT_MOST_S: Final = 400.0
_SEED: Final = 5


def main(speech: Path, models: Path, cache: Path) -> None:
    """Fit and write it into the package."""
    store = ModelStore(models)
    model = store.voice_model()
    listener = Listener(
        model=model,
        activity=store.voice_activity(),
        acoustics=Acoustics.recorded(speech / "noise_and_rooms"),
        cache=cache,
    )
    able = open_corpora(speech)
    people = [person for person in read_people(speech) if person.side is Side.FIT]
    everybody = listener.hear_all(people, channels=CHANNELS, at_most_s=AT_MOST_S)
    found = worth_where_new(everybody, model_id=model.model_id, seed=_SEED)
    print(
        f"offset and scale {SHIPPED_WORTH}; where nothing is known: {found[0]:.3f}, {found[1]:.3f}"
    )
    voices = [voice for voice in everybody if voice.person.corpus in able]
    spread = fit_under(default_profile(model.model_id), voices, seed=_SEED, worth=SHIPPED_WORTH)
    name = model.model_id.split("@")[0]
    folder = Path(next(iter(shengdun.index.voices.__path__))) / "spreads"
    corpora = sorted({voice.person.corpus for voice in voices})
    save_spread(
        folder / f"{name}.npz",
        spread,
        model_id=model.model_id,
        provenance=f"{len(voices)} speakers of {', '.join(corpora)} in {CHANNELS} channels; "
        "scale and offset of speakers whom no projection had met",
    )


def open_corpora(speech: Path) -> set[str]:
    """The corpora all of whose recordings have an open licence."""
    with (speech / "MANIFEST.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {row["corpus"] for row in rows} - {
        row["corpus"] for row in rows if row["licence_class"] != "open"
    }


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
