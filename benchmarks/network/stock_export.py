"""CAM++ as a plain PyTorch network, exported to ONNX the way everyone does: ``torch.onnx.export`` and no more.

    PEERS/bin/python benchmarks/network/stock_export.py CHECKPOINT STOCK.onnx [--exporter NAME] [--any-length]

Runs in an environment with torch, onnx and onnxscript and imports nothing of the product. The network is written from
the paper (Wang et al., Interspeech 2023) with the layer names of the published checkpoint, so that it loads strictly.
Its input is ``features`` (1, frames, 80), its output ``embedding`` (1, 192).
"""

import argparse
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

MEL_BINS = 80
FRAMES_OF_3_S = 298
_BLOCKS = ((12, 1), (24, 2), (16, 2))
_GROWTH = 32
_SEGMENT = 100
_OPSET = 17


class ResidualBlock(nn.Module):  # type: ignore[misc]  # torch is not there when types are checked
    """Two 3x3 convolutions and what they are added to; only frequency is strided."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, (stride, 1), 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.shortcut = nn.Sequential()
        if stride != 1:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels, channels, 1, (stride, 1), bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, image: Any) -> Any:  # noqa: ANN401 (a tensor)
        inner = functional.relu(self.bn1(self.conv1(image)))
        return functional.relu(self.bn2(self.conv2(inner)) + self.shortcut(image))


class Head(nn.Module):  # type: ignore[misc]
    """The convolutions over frequency and time."""

    def __init__(self, channels: int = 32) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, channels, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.layer1 = nn.Sequential(ResidualBlock(channels, 2), ResidualBlock(channels, 1))
        self.layer2 = nn.Sequential(ResidualBlock(channels, 2), ResidualBlock(channels, 1))
        self.conv2 = nn.Conv2d(channels, channels, 3, (2, 1), 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, features: Any) -> Any:  # noqa: ANN401
        image = functional.relu(self.bn1(self.conv1(features.unsqueeze(1))))
        image = self.layer2(self.layer1(image))
        return functional.relu(self.bn2(self.conv2(image))).flatten(1, 2)


class Normalised(nn.Module):  # type: ignore[misc]
    """A batch norm and, perhaps, a rectifier."""

    def __init__(self, channels: int, *, rectified: bool = True, affine: bool = True) -> None:
        super().__init__()
        self.batchnorm = nn.BatchNorm1d(channels, affine=affine)
        self.rectified = rectified

    def forward(self, channels: Any) -> Any:  # noqa: ANN401
        normal = self.batchnorm(channels)
        return functional.relu(normal) if self.rectified else normal


class Masking(nn.Module):  # type: ignore[misc]
    """A local convolution over time, and a mask made of the window's and the segment's mean."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.linear_local = nn.Conv1d(
            channels, _GROWTH, 3, padding=dilation, dilation=dilation, bias=False
        )
        self.linear1 = nn.Conv1d(channels, channels // 2, 1)
        self.linear2 = nn.Conv1d(channels // 2, _GROWTH, 1)

    def forward(self, steps: Any) -> Any:  # noqa: ANN401
        means = functional.avg_pool1d(steps, _SEGMENT, _SEGMENT, ceil_mode=True)
        spread = means.unsqueeze(-1).expand(*means.shape, _SEGMENT).flatten(2)
        context = steps.mean(-1, keepdim=True) + spread[..., : steps.shape[-1]]
        mask = torch.sigmoid(self.linear2(functional.relu(self.linear1(context))))
        return self.linear_local(steps) * mask


class DenseLayer(nn.Module):  # type: ignore[misc]
    """One layer of a densely connected block."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.nonlinear1 = Normalised(channels)
        self.linear1 = nn.Conv1d(channels, 4 * _GROWTH, 1, bias=False)
        self.nonlinear2 = Normalised(4 * _GROWTH)
        self.cam_layer = Masking(4 * _GROWTH, dilation)

    def forward(self, steps: Any) -> Any:  # noqa: ANN401
        hidden = self.linear1(self.nonlinear1(steps))
        return torch.cat([steps, self.cam_layer(self.nonlinear2(hidden))], dim=1)


class Linear(nn.Module):  # type: ignore[misc]
    """A convolution over time with a batch norm before or after it."""

    def __init__(self, conv: Any, norm: Normalised, *, norm_first: bool) -> None:  # noqa: ANN401
        super().__init__()
        self.nonlinear = norm
        self.linear = conv
        self.norm_first = norm_first

    def forward(self, steps: Any) -> Any:  # noqa: ANN401
        if self.norm_first:
            return self.linear(self.nonlinear(steps))
        return self.nonlinear(self.linear(steps))


class CamPlusPlus(nn.Module):  # type: ignore[misc]
    """CAM++ from features to the embedding, (batch, frames, 80) to (batch, 192)."""

    def __init__(self) -> None:
        super().__init__()
        self.head = Head()
        layers: dict[str, Any] = {}
        first = nn.Conv1d(320, 128, 5, stride=2, padding=2, bias=False)
        layers["tdnn"] = Linear(first, Normalised(128), norm_first=False)
        channels = 128
        for block, (count, dilation) in enumerate(_BLOCKS, start=1):
            dense = {
                f"tdnnd{i + 1}": DenseLayer(channels + i * _GROWTH, dilation) for i in range(count)
            }
            layers[f"block{block}"] = nn.Sequential()
            for name, layer in dense.items():
                layers[f"block{block}"].add_module(name, layer)
            channels += count * _GROWTH
            halves = nn.Conv1d(channels, channels // 2, 1, bias=False)
            layers[f"transit{block}"] = Linear(halves, Normalised(channels), norm_first=True)
            channels //= 2
        layers["out_nonlinear"] = Normalised(channels)
        last = nn.Conv1d(2 * channels, 192, 1, bias=False)
        norm = Normalised(192, rectified=False, affine=False)
        layers["dense"] = Linear(last, norm, norm_first=False)
        self.xvector = nn.ModuleDict(layers)

    def forward(self, features: Any) -> Any:  # noqa: ANN401
        steps = self.head(features.transpose(1, 2))
        *layers, dense = self.xvector.values()
        for layer in layers:
            steps = layer(steps)
        statistics = torch.cat([steps.mean(-1), steps.std(-1, unbiased=True)], dim=-1)
        return dense(statistics.unsqueeze(-1)).squeeze(-1)


def export(checkpoint: Path, output: Path, *, exporter: str, any_length: bool) -> None:
    """Writes the network with the checkpoint's weights to ``output``."""
    network = CamPlusPlus()
    network.load_state_dict(torch.load(checkpoint, map_location="cpu", weights_only=True))
    network.eval()
    names = {"input_names": ["features"], "output_names": ["embedding"]}
    example = (torch.zeros(1, FRAMES_OF_3_S, MEL_BINS),)
    if exporter == "torchscript":
        axes = {"features": {1: "frames"}} if any_length else None
        torch.onnx.export(
            network, example, output, dynamo=False, opset_version=_OPSET, dynamic_axes=axes, **names
        )
        return
    shapes = ({1: torch.export.Dim("frames", min=100, max=1000)},) if any_length else None
    torch.onnx.export(
        network, example, output, dynamo=True, dynamic_shapes=shapes, external_data=False, **names
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--exporter", choices=["torchscript", "dynamo"], default="dynamo")
    parser.add_argument("--any-length", action="store_true")
    arguments = parser.parse_args()
    export(
        arguments.checkpoint,
        arguments.output,
        exporter=arguments.exporter,
        any_length=arguments.any_length,
    )


if __name__ == "__main__":
    main()
