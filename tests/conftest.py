"""Lists the shared fixtures, one module a topic."""

pytest_plugins = ["fixtures.certificates", "fixtures.speech", "fixtures.store"]
