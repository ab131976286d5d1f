"""Trials: the planted stretch is where the truth says, as long as its share, and alike in all cells of a share."""

import pytest
from benchmarks.text.comparison import texts
from benchmarks.text.corpora import LONGEST, Innocent, Unit
from benchmarks.text.corruption import Corruption
from benchmarks.text.families import read_families, registered
from benchmarks.text.homophones import Homophones
from benchmarks.text.trials import SHARES, SHORTEST_PASSAGE, Cell, Planting, cells

FAMILIES = read_families()
SCRIPTS = registered(FAMILIES)


@pytest.fixture(scope="module")
def planting(hosts: list[Innocent], homophones: Homophones) -> Planting:
    """Plants every family in made-up talk."""
    return Planting(FAMILIES, hosts, homophones, seed=1)


@pytest.mark.parametrize("share", SHARES)
def test_what_is_planted_is_of_the_script_and_of_the_asked_length(
    share: float, planting: Planting
) -> None:
    """Without errors the stretch is a passage of the registered script, word by word."""
    trials = planting.trials(Cell(corruption=Corruption.HOMOPHONES, rate=0.0, share=share), 60)
    assert len({trial.script_id for trial in trials}) == len(FAMILIES)
    for trial in trials:
        passage = trial.text[trial.start : trial.end]
        assert passage in SCRIPTS[trial.script_id]
        assert len(passage) / len(trial.text) == pytest.approx(share, abs=0.01)
        assert len(passage) >= SHORTEST_PASSAGE
        assert len(trial.text) <= LONGEST


def test_cells_of_a_share_differ_in_the_errors_alone(planting: Planting) -> None:
    """The same number is the same script with the same surroundings; errors of more than nothing change both."""
    clean = planting.trials(Cell(corruption=Corruption.HOMOPHONES, rate=0.0, share=0.2), 5)
    wrong = planting.trials(Cell(corruption=Corruption.HOMOPHONES, rate=0.3, share=0.2), 5)
    for one, other in zip(clean, wrong, strict=True):
        assert (one.script_id, one.start, one.end) == (other.script_id, other.start, other.end)
        assert one.text != other.text
        same = sum(a == b for a, b in zip(one.text, other.text, strict=True))
        assert same > len(one.text) / 2


def test_paraphrases_are_of_families_that_have_one(planting: Planting) -> None:
    """Nothing of the registered wording is planted instead."""
    having = {family.family_id for family in FAMILIES if family.paraphrase}
    trials = planting.trials(Cell(corruption=Corruption.PARAPHRASE, rate=0.0, share=0.6), 22)
    assert {trial.script_id for trial in trials} == having
    assert all(
        trial.text[trial.start : trial.end] not in SCRIPTS[trial.script_id] for trial in trials
    )


def test_no_family_with_a_paraphrase_makes_no_trial(
    hosts: list[Innocent], homophones: Homophones
) -> None:
    """The cell is then empty, and not filled with something else."""
    without = [family for family in FAMILIES if not family.paraphrase]
    planting = Planting(without, hosts, homophones, seed=1)
    assert planting.trials(Cell(corruption=Corruption.PARAPHRASE, rate=0.0, share=0.2), 3) == []


def test_rates_belong_to_errors_only() -> None:
    """Every other kind has one cell a share."""
    made = cells(shares=(0.1, 0.2), rates=(0.0, 0.3))
    assert len(made) == len(set(made)) == 2 * 2 * 2 + 6 * 2


def test_a_crowd_is_registered_before_the_scripts_and_planted_nowhere(units: list[Unit]) -> None:
    """The scripts that are looked for are the newest of many; nothing else about the texts changes."""
    chosen = cells(shares=(0.2,), rates=(0.1,))
    alone = texts(FAMILIES, units, chosen, count=2, crowd=0, seed=1)
    crowded = texts(FAMILIES, units, chosen, count=2, crowd=30, seed=1)
    assert alone.scripts == SCRIPTS
    assert list(crowded.scripts)[30:] == list(SCRIPTS)
    assert (crowded.innocents, crowded.trials) == (alone.innocents, alone.trials)
