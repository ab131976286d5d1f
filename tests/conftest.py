"""Lists the shared fixtures, one module a topic."""

pytest_plugins = [
    "fixtures.certificates",
    "fixtures.command_line",
    "fixtures.corpora",
    "fixtures.enrolling",
    "fixtures.server",
    "fixtures.speech",
    "fixtures.store",
    "fixtures.text_service",
    # After what it imports, whose assertions couldn't be explained otherwise.
    "fixtures.archive",
    "fixtures.checkpoints",
    "fixtures.voice_model_contract",
]
