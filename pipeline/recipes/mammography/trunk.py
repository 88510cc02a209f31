"""EfficientNet-lite0 up to its last block, in plain torch: what the models of mammography look at pictures with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn
from torch.nn import functional

from pipeline.core.errors import WeightsCorrupt

STAGES = ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192))
"""(blocks, kernel, stride of the first, expansion, channels) up to block 14; STAGES and LAST have 16 blocks."""
LAST = (1, 3, 1, 6, 320)
STEM = 32
EPSILON = 1e-3
BLOCKS = sum(s[0] for s in STAGES) + LAST[0]

State = Mapping[str, Tensor]


class _Conv(nn.Conv2d):
    """Without a bias, padded as TensorFlow does ("same"): where the sum is odd, more at the end."""

    def __init__(self, before: int, after: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(before, after, kernel, stride, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        down, across = (max((-(-n // stride) - 1) * stride + kernel - n, 0) for n in x.shape[-2:])
        if down or across:
            x = functional.pad(x, (across // 2, across - across // 2, down // 2, down - down // 2))
        return super().forward(x)


def _normal(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=EPSILON)


class _Block(nn.Module):
    """MBConv: wider, each channel by itself, narrower again (Sandler et al., 2018); no squeeze, ReLU6."""

    def __init__(self, before: int, after: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = before * expansion
        self.expand = nn.Sequential(_Conv(before, wide, 1), _normal(wide), nn.ReLU6()) if expansion > 1 else None
        self.depth = nn.Sequential(_Conv(wide, wide, kernel, stride, wide), _normal(wide), nn.ReLU6())
        self.project = nn.Sequential(_Conv(wide, after, 1), _normal(after))
        self.skips = stride == 1 and before == after

    def forward(self, x: Tensor) -> Tensor:
        y = x if self.expand is None else self.expand(x)
        y = self.project(self.depth(y))
        return y + x if self.skips else y


class Trunk(nn.Module):
    """The first `last` of the 16 blocks. The statistics of its batch norms never change, in training either.

    Blocks 0, 2, 4, 10, 15 end the levels with strides 2, 4, 8, 16, 32; they have 16, 24, 40, 112, 320 channels.
    """

    def __init__(self, last: int = BLOCKS) -> None:
        super().__init__()
        self.stem = nn.Sequential(_Conv(3, STEM, 3, 2), _normal(STEM), nn.ReLU6())
        blocks, before = [], STEM
        for count, kernel, stride, expansion, after in (*STAGES, LAST):
            for nth in range(count):
                blocks.append(_Block(before, after, kernel, 1 if nth else stride, expansion))
                before = after
        self.blocks = nn.ModuleList(blocks[:last])

    def forward(self, x: Tensor, taps: Sequence[int]) -> tuple[Tensor, ...]:
        """What the blocks `taps` (counted from 0, ascending) give.

        x: (n, 3 or 1, rows, columns), 0…1; a single channel is taken three times.
        """
        y = self.stem((x * 2 - 1).expand(-1, 3, -1, -1))
        given = []
        for number, block in enumerate(self.blocks):
            y = block(y)
            if number in taps:
                given.append(y)
            if number == max(taps):
                break
        return tuple(given)

    def train(self, mode: bool = True) -> Trunk:
        """As of any module, but batch norms stay as they are."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self


def trunk_state(content: bytes) -> State:
    """The tensors of trunk.safetensors, float32. Raises WeightsCorrupt."""
    from safetensors import SafetensorError  # noqa: PLC0415
    from safetensors.torch import load  # noqa: PLC0415

    try:
        return {name: tensor.float() for name, tensor in load(content).items()}
    except SafetensorError as error:
        raise WeightsCorrupt(f"the weights of the trunk are no safetensors: {error}") from error


def load_trunk(state: State, last: int = BLOCKS) -> Trunk:
    """The first `last` blocks with these weights, for inference. Raises WeightsCorrupt for those of another network."""
    trunk = Trunk(last)
    wanted = {name for name in trunk.state_dict() if not name.endswith("num_batches_tracked")}
    if wanted - state.keys():
        raise WeightsCorrupt("the weights are not those of the trunk that the recipe builds")
    try:
        trunk.load_state_dict({name: state[name] for name in wanted}, strict=False)
    except RuntimeError as error:
        raise WeightsCorrupt("the weights are not those of the trunk that the recipe builds") from error
    return trunk.eval()
