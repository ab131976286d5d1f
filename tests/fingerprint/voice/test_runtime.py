"""How models are run."""

import os
import subprocess
import sys


def test_nothing_is_reported_to_the_publisher_of_the_runtime() -> None:
    """Whatever the environment says, ONNX Runtime is told to be silent before it is loaded."""
    program = (
        "import sys, os; assert 'onnxruntime' not in sys.modules\n"
        "import shengdun.fingerprint.voice.runtime\n"
        "assert 'onnxruntime' in sys.modules; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    )
    for told in ({}, {"ORT_DISABLE_TELEMETRY": "0"}):
        environment = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"} | told
        ran = subprocess.run(
            [sys.executable, "-c", program],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert ran.stdout.strip() == "1"
