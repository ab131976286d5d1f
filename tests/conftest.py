"""Lists the shared fixtures, one module a topic."""

pytest_plugins = ["fixtures.certificates", "fixtures.server", "fixtures.speech"]
