"""What a start tells the garbage collector."""

import gc

from shengdun.index.memory import much_is_made


def test_only_much_is_kept_from_the_collector() -> None:
    """After a small list the collector still sees everything; what a long one made it needn't go through again."""
    before = gc.get_freeze_count()
    with much_is_made():
        assert not gc.isenabled()
        few: list[list[int]] = [[] for _ in range(1000)]
    assert (gc.isenabled(), gc.get_freeze_count()) == (True, before)
    try:
        with much_is_made():
            many: list[list[int]] = [[] for _ in range(200_000)]
        assert gc.get_freeze_count() >= before + len(few) + len(many)
    finally:
        gc.unfreeze()
