"""Lists that grow, at a size that a test can afford: what is kept apart, and that every figure is there."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.text.growth import CELLS, lists
from benchmarks.text.small_talk import small_talk

REPOSITORY = Path(__file__).parents[3]
SIZES = (60, 120)


def test_nobodys_innocent_text_is_in_a_list() -> None:
    """Neither the text nor, of the second list, what the table of common wording was learnt from."""
    units = list(small_talk(400, 1))
    for source, own in lists(units, 1).values():
        assert own
        assert source.innocent_sentences
    (_, seen), (_, unseen) = lists(units, 1).values()
    assert 0 < len(unseen) < len(seen)
    assert {unit.unit_id for unit in unseen} < {unit.unit_id for unit in seen}


def test_every_size_is_measured(tmp_path: Path) -> None:
    """The families first, then each size; everything that was asked for."""
    output = tmp_path / "growth.json"
    command = (
        *(sys.executable, "-m", "benchmarks.text.growth", "small-talk", str(output)),
        *("--scripts", *map(str, SIZES), "--calls", "10", "--trials", "2"),
    )
    run = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    found: dict[str, Any] = json.loads(output.read_text())
    for rows in found["lists"].values():
        assert [row["scripts"] for row in rows][1:] == list(SIZES)
        assert all(len(row["planted"]) == len(CELLS) for row in rows)
        for row in rows:
            assert row["innocent"]["honest complaints"]["of"] == 30
            for figures in (row["innocent"] | row["planted"]).values():
                assert 0 <= figures["at_cap"] <= figures["flagged"] <= figures["of"]
