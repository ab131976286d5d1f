"""``python -m shengdun.service.cli`` is ``shengdun``."""

from shengdun.service.cli.program import main

main()
