"""Lists the shared fixtures, one module a topic, and what holds for all property tests."""

from hypothesis import HealthCheck, settings

# How long an example takes says something about the machine, and nothing about what is tested.
settings.register_profile("shengdun", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shengdun")

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
