"""The large index, at a size that a test can afford: what is put in, and that every figure is there."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from benchmarks.text.corpora import Kind, Unit
from benchmarks.text.families import read_families
from benchmarks.text.recombination import FAMILY_SHARE, LONGEST, SHORTEST, Recombined

REPOSITORY = Path(__file__).parents[3]
INNOCENT = [
    Unit(unit_id=str(number), kind=Kind.CALL, text=f"这是第{number}句跟投诉没有关系的话。")
    for number in range(200)
]
SCRIPTS, REGISTERED, REPETITIONS = 300, 5, 2


def test_scripts_are_recombined_of_one_family_each_and_alike_for_a_seed() -> None:
    """Some sentences are of a family and most aren't; each script has a length of its own."""
    made = Recombined(read_families(), INNOCENT, seed=1)
    again = Recombined(read_families(), INNOCENT, seed=1)
    scripts = dict(made.scripts(200))
    assert scripts == dict(again.scripts(200))
    assert len(set(scripts.values())) == 200
    assert all(SHORTEST <= len(text) <= LONGEST + 80 for text in scripts.values())
    innocent = sum(text.count("句跟投诉没有关系的话") for text in scripts.values())
    sentences = sum(text.count("。") + text.count("？") for text in scripts.values())
    assert innocent / sentences == pytest.approx(1.0 - FAMILY_SHARE, abs=0.06)


def test_every_figure_is_written(tmp_path: Path) -> None:
    """A few hundred scripts: each registered one is found, and each repetition has its row."""
    output = tmp_path / "million.json"
    command = (
        *(sys.executable, "-m", "benchmarks.text.million", "small-talk", str(output)),
        *("--scripts", str(SCRIPTS), "--calls", "6", "--registered", str(REGISTERED)),
        *("--repetitions", str(REPETITIONS)),
    )
    run = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    found: dict[str, Any] = json.loads(output.read_text())
    assert found["scripts"] == SCRIPTS
    assert found["registering"]["found"] == found["registering"]["count"] == REGISTERED
    assert found["own_text_found_first"] == {"found": REGISTERED, "of": REGISTERED}
    assert len(found["segments"]) == REPETITIONS
    for rows in found["bulk"]["ways"].values():
        assert len(rows) == REPETITIONS
        assert all(row["letters_per_s"] > 0.0 and 0.0 < row["cores_had"] < 2.1 for row in rows)
    assert all(row["p50_ms"] <= row["p99_ms"] <= row["most_ms"] for row in found["segments"])
    assert found["index_mb"] > 0
