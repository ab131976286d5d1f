"""``shengdun embed``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from shengdun.fingerprint.errors import ShengdunError
from shengdun.fingerprint.voice.model_store import ModelStore
from shengdun.service.cli.output import complain, note, say
from shengdun.service.cli.places import Config, DataDir, settings_of
from shengdun.service.embedding import EmbeddedRecording, embed_recording

app = typer.Typer()


@app.command(
    epilog="In FILE: paths (n,), voiceprints (n, dimension) float32, net_speech_s, snr_db (NaN where unknown) and "
    "clipped_share (n,), model_id; failed_paths and errors (m,) for those that could not be embedded."
)
def embed(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Recordings.")],
    output: Annotated[Path, typer.Option("--output", metavar="FILE", help="The .npz to write.")],
    config: Config = None,
    data_dir: DataDir = None,
) -> int:
    """Compute the voiceprints of recordings into a NumPy file, without a server.

    The voiceprints are personal biometric data and are written unprotected: keep the file as such.
    """
    if output.suffix != ".npz":
        raise typer.BadParameter("--output must end in .npz")
    if not output.parent.is_dir():
        raise typer.BadParameter(f"--output: there is no folder {output.parent}")
    settings = settings_of(config, data_dir)
    store = ModelStore(settings.models_directory)
    model, activity = (
        store.voice_model(settings.voice.model, precision=settings.voice.precision, tell=note),
        store.voice_activity(),
    )
    embedded: dict[Path, EmbeddedRecording] = {}
    errors: dict[Path, str] = {}
    for number, file in enumerate(files, start=1):
        try:
            embedded[file] = embed_recording(
                file, model=model, activity=activity, limit_s=settings.server.recording_max_s
            )
            note(f"[{number}/{len(files)}] {file}: net speech {embedded[file].net_speech_s:.1f} s")
        except (ShengdunError, OSError) as error:
            errors[file] = _message(error)
            complain(f"[{number}/{len(files)}] {file}: {errors[file]}")
    _write(output, embedded, errors, model_id=model.model_id, dimension=model.dimension)
    say(f"{len(embedded)} of {len(files)} recordings embedded with {model.model_id}: {output}")
    return int(bool(errors))


def _message(error: ShengdunError | OSError) -> str:
    return error.message if isinstance(error, ShengdunError) else error.strerror or str(error)


def _write(
    output: Path,
    embedded: dict[Path, EmbeddedRecording],
    errors: dict[Path, str],
    *,
    model_id: str,
    dimension: int,
) -> None:
    found = list(embedded.values())
    voiceprints = np.zeros((len(found), dimension), np.float32)
    for row, one in zip(voiceprints, found, strict=True):
        row[:] = one.voiceprint
    np.savez(
        output,
        paths=_texts([str(path) for path in embedded]),
        voiceprints=voiceprints,
        net_speech_s=np.array([one.net_speech_s for one in found], np.float64),
        snr_db=np.array([np.nan if one.snr_db is None else one.snr_db for one in found]),
        clipped_share=np.array([one.clipped_share for one in found], np.float64),
        model_id=np.array(model_id),
        failed_paths=_texts([str(path) for path in errors]),
        errors=_texts(list(errors.values())),
    )


def _texts(texts: Sequence[str]) -> np.ndarray[tuple[int], np.dtype[np.str_]]:
    return np.array(texts, dtype=np.str_)
