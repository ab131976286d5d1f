"""Lists the shared fixtures, one module a topic."""

pytest_plugins = [
    "fixtures.certificates",
    "fixtures.command_line",
    "fixtures.corpora",
    "fixtures.enrolling",
    "fixtures.server",
    "fixtures.speech",
    "fixtures.store",
    "fixtures.voice_model_contract",
]
