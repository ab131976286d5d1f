"""What a user would write today: a gRPC server around a voice model of theirs and ``faiss.IndexFlatIP``.

    PYTHONPATH=.:proto PYTHON -m benchmarks.serving.peer_server speechbrain HUB_DIRECTORY
    PYTHONPATH=.:proto PYTHON -m benchmarks.serving.peer_server sherpa-onnx MODEL.onnx

Speaks as much of the product's wire contract as the load harness needs: one handler a call on a pool of threads, a
decision for every 3 s of loud audio. It does less than the product: no policy, no calibration, no journal, no quality
of the audio. As many windows are computed at a time as there are cores, so that a peer doesn't stand in its own way.
Runs in an interpreter of its own; of the product it imports the wire contract alone.
"""

import argparse
import os
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import faiss as _faiss
import grpc
import numpy as np
from benchmarks.serving.energy_gate import RATE_HZ, WINDOW_S, EnergyGate, a_law, mu_law
from benchmarks.serving.peer_voices import VOICES, PeerVoice

from shengdun.v1 import audio_pb2, decision_pb2, screening_pb2, screening_pb2_grpc

faiss: Any = _faiss
MOST_CALLS: Final = 1_000
BUDGET_MS: Final = 300
NEAREST: Final = 10
SEED: Final = 1
_TABLES: Final = {audio_pb2.AUDIO_ENCODING_PCMU: mu_law(), audio_pb2.AUDIO_ENCODING_PCMA: a_law()}


class PeerScreening(screening_pb2_grpc.ScreeningServiceServicer):
    """The calls.

    Args:
        voice: makes voiceprints.
        listed: voiceprints on the list; they are random, as no figure is about whom it finds.
        at_once: windows that are computed at the same time.
    """

    def __init__(self, voice: PeerVoice, *, listed: int, at_once: int) -> None:
        self._voice = voice
        self._turns = threading.BoundedSemaphore(at_once)
        dimension = len(voice.embed(np.ones(round(WINDOW_S * RATE_HZ), np.float32)))
        rows = np.random.default_rng(SEED).standard_normal((listed, dimension), np.float32)
        self._index = faiss.IndexFlatIP(dimension)
        self._index.add(rows / np.linalg.norm(rows, axis=1, keepdims=True))

    def GetServerInfo(  # noqa: N802 (gRPC's name)
        self,
        request: screening_pb2.GetServerInfoRequest,  # noqa: ARG002
        context: grpc.ServicerContext,  # noqa: ARG002
    ) -> screening_pb2.GetServerInfoResponse:
        """Name, version and the one line."""
        line = screening_pb2.LineInfo(line="default", policy_id="none")
        line.budget.FromMilliseconds(BUDGET_MS)
        return screening_pb2.GetServerInfoResponse(
            version="peer", model_id=self._voice.name, calibration_profile_id="none", lines=[line]
        )

    def ScreenCall(  # noqa: N802 (gRPC's name)
        self,
        request_iterator: Iterator[screening_pb2.ScreenCallRequest],
        context: grpc.ServicerContext,  # noqa: ARG002
    ) -> Iterator[screening_pb2.ScreenCallResponse]:
        """A decision at once, and one for each window."""
        config = next(request_iterator).config
        table = _TABLES[config.audio_format.encoding]
        gate, heard, windows, sequence = EnergyGate(), 0, 0, 1
        yield _response(config.call_id, sequence=sequence, windows=0, heard_s=0.0, since=None)
        for request in request_iterator:
            since = time.monotonic()
            chunk = np.frombuffer(request.audio, np.uint8)
            heard += len(chunk)
            for window in gate.push(table[chunk]):
                with self._turns:
                    vector = self._voice.embed(window)
                    nearness, _ = self._index.search(vector[None], NEAREST)
                windows, sequence = windows + 1, sequence + 1
                yield _response(
                    config.call_id,
                    sequence=sequence,
                    windows=windows,
                    heard_s=heard / RATE_HZ,
                    since=since,
                    probability=float(np.clip(nearness[0, 0], 0.0, 1.0)),
                )
        # The harness asks that the last decision answers all of a call.
        yield _response(
            config.call_id,
            sequence=sequence + 1,
            windows=0,
            heard_s=heard / RATE_HZ,
            since=None,
        )

    def GetDecision(  # noqa: N802 (gRPC's name)
        self,
        request: screening_pb2.GetDecisionRequest,  # noqa: ARG002
        context: grpc.ServicerContext,
    ) -> screening_pb2.GetDecisionResponse:
        """Not offered."""
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "a peer screens live calls alone")

    def ScreenRecording(  # noqa: N802 (gRPC's name)
        self,
        request_iterator: Iterator[screening_pb2.ScreenRecordingRequest],  # noqa: ARG002
        context: grpc.ServicerContext,
    ) -> screening_pb2.ScreenRecordingResponse:
        """Not offered."""
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "a peer screens live calls alone")

    def ScreenText(  # noqa: N802 (gRPC's name)
        self,
        request: screening_pb2.ScreenTextRequest,  # noqa: ARG002
        context: grpc.ServicerContext,
    ) -> screening_pb2.ScreenTextResponse:
        """Not offered."""
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "a peer screens live calls alone")


def _response(
    call_id: str,
    *,
    sequence: int,
    windows: int,
    heard_s: float,
    since: float | None,
    probability: float = 0.0,
) -> screening_pb2.ScreenCallResponse:
    decision = decision_pb2.Decision(
        decision_id=f"{call_id}-{sequence}",
        call_id=call_id,
        sequence=sequence,
        state=decision_pb2.DECISION_STATE_NOT_ENOUGH_SPEECH,
        line="default",
    )
    decision.answered_position.FromMilliseconds(round(1000 * heard_s))
    decision.audio_position.FromMilliseconds(round(1000 * heard_s))
    decision.net_speech.FromMilliseconds(round(1000 * WINDOW_S * windows))
    decision.decide_time.GetCurrentTime()
    if windows:
        decision.state = decision_pb2.DECISION_STATE_PROVISIONAL
        decision.level = decision_pb2.RISK_LEVEL_LOW
        decision.probability = probability
    if since is not None:
        decision.latency.FromMicroseconds(round(1e6 * (time.monotonic() - since)))
    return screening_pb2.ScreenCallResponse(decision=decision)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("voice", choices=sorted(VOICES))
    parser.add_argument("model", type=Path)
    parser.add_argument("--threads", type=int, help="threads of one window")
    parser.add_argument("--at-once", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--listed", type=int, default=10_000)
    arguments = parser.parse_args()
    told, sys.stdout = sys.stdout, sys.stderr
    voice = VOICES[arguments.voice](arguments.model, arguments.threads)
    faiss.omp_set_num_threads(1)
    server = grpc.server(ThreadPoolExecutor(MOST_CALLS))
    screening_pb2_grpc.add_ScreeningServiceServicer_to_server(
        PeerScreening(voice, listed=arguments.listed, at_once=arguments.at_once), server
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(f"listening on 127.0.0.1:{port}", file=told, flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
