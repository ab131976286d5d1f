"""Lists the shared fixtures, one module a topic, and what holds for all property tests."""

import numpy as np  # noqa: F401 - its matrix library has to be there to be limited
from hypothesis import HealthCheck, settings
from threadpoolctl import threadpool_limits

# As the server does: on a busy machine such threads spin while they wait for each other.
threadpool_limits(limits=1)

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
