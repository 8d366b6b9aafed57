"""The recogniser's network: a small convolutional stack over 32 px high strips, one answer per 4 px, trained with CTC."""

from __future__ import annotations

import torch
from torch import nn

from models.mrz_reader.symbols import CLASSES

STRIDE_PX = 4


def network() -> nn.Sequential:
    """Return the untrained network: input (n, 1, 32, w), output (n, classes, w / 4), logits."""
    return nn.Sequential(
        *_block(1, 24, (5, 5), (2, 2), stride=2),
        *_block(24, 40, (3, 3), (1, 1)),
        nn.MaxPool2d(2),
        *_block(40, 64, (3, 3), (1, 1)),
        nn.MaxPool2d((2, 1)),
        *_block(64, 96, (3, 3), (1, 1)),
        nn.MaxPool2d((2, 1)),
        *_block(96, 128, (2, 3), (0, 1)),
        nn.Flatten(2),
        nn.Conv1d(128, 128, 5, padding=2, bias=False),
        nn.BatchNorm1d(128),
        nn.ReLU(),
        nn.Conv1d(128, 128, 3, padding=1, bias=False),
        nn.BatchNorm1d(128),
        nn.ReLU(),
        nn.Conv1d(128, CLASSES, 1),
    )


def _block(
    inputs: int, outputs: int, size: tuple[int, int], padding: tuple[int, int], stride: int = 1
) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, size, stride, padding, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]


def parameter_count(net: nn.Module) -> int:
    """Return the number of trained parameters."""
    return sum(parameter.numel() for parameter in net.parameters())


def probabilities(net: nn.Sequential) -> nn.Sequential:
    """Return the network for inference: the same with a softmax over the classes."""
    return nn.Sequential(*net, nn.Softmax(dim=1)).eval()


def ctc_loss(logits: torch.Tensor, targets: torch.Tensor, lengths: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
    """Return the mean CTC loss per symbol of a batch."""
    log_probabilities = logits.permute(2, 0, 1).log_softmax(dim=2)
    loss: torch.Tensor = nn.functional.ctc_loss(
        log_probabilities, targets, steps, lengths, blank=0, reduction="mean", zero_infinity=True
    )
    return loss
