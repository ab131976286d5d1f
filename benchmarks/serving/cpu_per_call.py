"""Processor time of a server for each screened call, over what the models alone take; and how that grows with the call.

    python -m benchmarks.serving.cpu_per_call MODELS OUTPUT --directory DIR [--lengths 10,30,60] [--calls 24]
      [--stock EXPORT.onnx]

Every length of call has a server of its own, all at the same time, so that they share what a neighbour on the machine
does to them. Calls are sent in chunks of 100 ms in real time. Of a server all its processes count, the store too. The
floor of the very same calls is measured right after (``bare``): our network in float32 and in the precision of the
server, and with ``--stock`` the network as PyTorch exports it, which is how it comes without us. The report has a plot
beside it. Lists have 10,000 random voiceprints, which nobody is on: a call rests once nothing that follows could change
what is recommended.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from shutil import copytree
from typing import Any, Final

from benchmarks.serving.bare import BareCost, BareModel, bare_cost, screened
from benchmarks.serving.calls import HeardCall, net_speech, play_calls, together
from benchmarks.serving.playing import Stage, stage
from benchmarks.serving.processes import Running
from benchmarks.serving.results import load_average, summed_up, write
from benchmarks.serving.stock_model import StockCamPlusPlus
from benchmarks.serving.systems import Shengdun

from shengdun.fingerprint.voice.activity import VoiceActivity
from shengdun.fingerprint.voice.campplus import WINDOW_S
from shengdun.fingerprint.voice.codecs import AudioFormat, Encoding
from shengdun.fingerprint.voice.model_store import ModelStore
from shengdun.service.load.plots import Chart, drawn

BEGIN_WITHIN_S: Final = 6.0
"""So that calls overlap, and no more come at once than a server takes."""
MODEL: Final = "campplus-zh-en"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Of calls of one length.

    Attributes:
        length_s: the length.
        calls: how many there were.
        server_s: processor seconds of the server.
        bare: of the models alone, in float32.
        bare_as_served: the same in the precision that the server computes in.
        bare_stock: the same with PyTorch's export in place of our graph; None where there is none.
        heard_s: mean audio of a call that had to be heard.
        net_speech_s: mean net speech of the last decision.
        memory_mb: of the server afterwards.
    """

    length_s: float
    calls: int
    server_s: float
    bare: BareCost
    bare_as_served: BareCost
    bare_stock: BareCost | None
    heard_s: float
    net_speech_s: float
    memory_mb: float

    @property
    def ratio(self) -> float:
        """Of the server over the floor."""
        return self.server_s / self.bare.whole_s

    @property
    def ratio_as_served(self) -> float:
        """Of the server over the floor in its own precision."""
        return self.server_s / self.bare_as_served.whole_s

    @property
    def ratio_over_stock(self) -> float | None:
        """Of the server over the floor with the stock network."""
        return None if self.bare_stock is None else self.server_s / self.bare_stock.whole_s

    def as_json(self) -> dict[str, Any]:
        """Everything, and what follows from it."""
        return {
            **asdict(self),
            "ratio": self.ratio,
            "ratio_as_served": self.ratio_as_served,
            "ratio_over_stock": self.ratio_over_stock,
            "server_ms_per_call": 1000 * self.server_s / self.calls,
            "bare_ms_per_call": 1000 * self.bare.whole_s / self.calls,
            "bare_as_served_ms_per_call": 1000 * self.bare_as_served.whole_s / self.calls,
        }


def costs(
    servers: Sequence[Running],
    lengths: Sequence[float],
    asked: Stage,
    store: ModelStore,
    *,
    calls: int,
    repetition: int,
    within_s: float = BEGIN_WITHIN_S,
    end_at_final: bool = False,
    stock: BareModel | None = None,
) -> list[Cost]:
    """One repetition: every length at the same time on its own server, then the floors one after the other."""

    def play(server: Running, length_s: float) -> tuple[list[HeardCall], float]:
        plan = asked.draw(length_s, repetition=repetition).one_by_one(calls)
        before_s = server.cpu_s()
        heard = play_calls(
            server.address,
            together(plan, within_s=within_s),
            asked.reel,
            end_at_final=end_at_final,
        )
        return heard, server.cpu_s() - before_s

    with ThreadPoolExecutor(len(servers)) as threads:
        played = list(threads.map(play, servers, lengths))
    activity, model = store.voice_activity(), store.voice_model(MODEL)
    served = store.voice_model(MODEL, precision="auto")
    return [
        Cost(
            length_s=length_s,
            calls=calls,
            server_s=server_s,
            bare=floor(heard, activity, model),
            bare_as_served=floor(heard, activity, served),
            bare_stock=floor(heard, activity, stock) if stock else None,
            heard_s=sum(call.heard_s for call in heard) / calls,
            net_speech_s=net_speech(heard),
            memory_mb=server.memory_bytes() / 1e6,
        )
        for server, length_s, (heard, server_s) in zip(servers, lengths, played, strict=True)
    ]


def floor(calls: Sequence[HeardCall], activity: VoiceActivity, model: BareModel) -> BareCost:
    """What the models alone take for calls that were played."""
    needed = [
        screened(
            call.chunks,
            AudioFormat(
                encoding=Encoding[call.audio_format.encoding.name],
                sample_rate_hz=call.audio_format.sample_rate_hz,
            ),
            heard_s=call.heard_s,
            activity=activity,
            window_s=WINDOW_S,
        )
        for call in calls
    ]
    return bare_cost(needed, activity, model)


@contextmanager
def servers_for(
    lengths: Sequence[float], models: Path, directory: Path, *, listed: int
) -> Iterator[list[Running]]:
    """A server for each length, each with a copy of one list."""
    first = directory / "0"
    with ExitStack() as stack:
        servers = []
        for number in range(len(lengths)):
            own = directory / str(number)
            system = Shengdun(
                name="shengdun", models=models, model=MODEL, listed=listed, directory=own
            )
            if number == 0:
                system.fill_if_empty()
            elif not own.exists():
                copytree(directory / "filled", own)
            if not (directory / "filled").exists():
                copytree(first, directory / "filled")
            servers.append(stack.enter_context(system.started()))
        yield servers


def by_length(
    results: Sequence[Sequence[Cost]], ratio_of: Callable[[Cost], float | None]
) -> dict[str, Any]:
    """A ratio over the repetitions, for each length of call; nothing where it wasn't measured."""
    found = {}
    for of_length in zip(*results, strict=True):
        ratios = [ratio for one in of_length if (ratio := ratio_of(one)) is not None]
        if ratios:
            found[str(of_length[0].length_s)] = summed_up(ratios)
    return found


def chart(results: Sequence[Sequence[Cost]]) -> Chart:
    """Processor time of a call over its length: medians of the repetitions."""
    server, bare, served = [], [], []
    for of_length in zip(*results, strict=True):
        length_s = of_length[0].length_s
        of_server = summed_up([1000 * one.server_s / one.calls for one in of_length])
        of_models = summed_up([1000 * one.bare.whole_s / one.calls for one in of_length])
        as_served = summed_up([1000 * one.bare_as_served.whole_s / one.calls for one in of_length])
        server.append((length_s, of_server["median"]))
        bare.append((length_s, of_models["median"]))
        served.append((length_s, as_served["median"]))
    return Chart(
        title="Processor time of a call over its length",
        across="length of the call, s",
        up="ms of processor time",
        lines={
            "server": server,
            "models alone, in float32": bare,
            "models alone, as served": served,
        },
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("models", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--directory", type=Path, required=True, help="for the servers' lists")
    parser.add_argument("--lengths", default="30")
    parser.add_argument("--calls", type=int, default=24)
    parser.add_argument("--within-s", type=float, default=BEGIN_WITHIN_S, help="all begin in that")
    parser.add_argument("--stock", type=Path, help="a floor more: what stock_export wrote")
    parser.add_argument("--end-at-final", action="store_true", help="send nothing after FINAL")
    parser.add_argument("--listed", type=int, default=10_000)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    lengths = [float(length) for length in arguments.lengths.split(",")]
    results, loads, store = [], [], ModelStore(arguments.models)
    stock = StockCamPlusPlus(arguments.stock) if arguments.stock else None
    with (
        stage(arguments.models, seed=arguments.seed) as asked,
        servers_for(
            lengths, arguments.models, arguments.directory, listed=arguments.listed
        ) as servers,
    ):
        costs(servers, lengths, asked, store, calls=2, repetition=-1)  # Nothing is warm before.
        for repetition in range(arguments.repetitions):
            found = costs(
                servers,
                lengths,
                asked,
                store,
                calls=arguments.calls,
                repetition=repetition,
                within_s=arguments.within_s,
                end_at_final=arguments.end_at_final,
                stock=stock,
            )
            results.append(found)
            loads.append(load_average())
            for one in found:
                print(
                    one.length_s, one.ratio, one.ratio_as_served, one.ratio_over_stock, flush=True
                )
    write(
        arguments.output,
        {
            "listed": arguments.listed,
            "within_s": arguments.within_s,
            "end_at_final": arguments.end_at_final,
            "seed": arguments.seed,
            "load_average_of_repetitions": loads,
            "ratio_by_length": by_length(results, lambda one: one.ratio),
            "ratio_as_served_by_length": by_length(results, lambda one: one.ratio_as_served),
            "ratio_over_stock_by_length": by_length(results, lambda one: one.ratio_over_stock),
            "repetitions": [[one.as_json() for one in found] for found in results],
        },
    )
    arguments.output.with_suffix(".svg").write_text(drawn(chart(results)), "utf-8")


if __name__ == "__main__":
    main()
