"""Fusion layers: combine the encoder outputs of several modalities into one representation `(B, d)`."""

from kerasfusion.fusion.base import Fusion
from kerasfusion.fusion.block import BlockFusion
from kerasfusion.fusion.bottleneck import BottleneckFusion
from kerasfusion.fusion.branched import BranchedFusion
from kerasfusion.fusion.co_attention import CoAttention
from kerasfusion.fusion.concat import ConcatFusion
from kerasfusion.fusion.cross_attention import CrossAttention
from kerasfusion.fusion.elementwise import MultiplyFusion, SumFusion
from kerasfusion.fusion.film import FiLMFusion
from kerasfusion.fusion.gated import GatedFusion
from kerasfusion.fusion.grounding import GroundingFusion
from kerasfusion.fusion.low_rank import LowRankFusion
from kerasfusion.fusion.mac import MACFusion
from kerasfusion.fusion.memory import MemoryFusion
from kerasfusion.fusion.mfb import MFBFusion
from kerasfusion.fusion.mfh import MFHFusion
from kerasfusion.fusion.mutan import MUTANFusion
from kerasfusion.fusion.perceiver import PerceiverFusion
from kerasfusion.fusion.relation import RelationFusion
from kerasfusion.fusion.residual import ResidualFusion
from kerasfusion.fusion.stacked_attention import StackedAttention
from kerasfusion.fusion.tensor import TensorFusion
from kerasfusion.fusion.token_transformer import TokenTransformer

FUSIONS = {
    "block": BlockFusion,
    "bottleneck": BottleneckFusion,
    "branched": BranchedFusion,
    "co_attention": CoAttention,
    "concat": ConcatFusion,
    "cross_attention": CrossAttention,
    "film": FiLMFusion,
    "gated": GatedFusion,
    "low_rank": LowRankFusion,
    "mac": MACFusion,
    "memory": MemoryFusion,
    "mfb": MFBFusion,
    "mfh": MFHFusion,
    "multiply": MultiplyFusion,
    "mutan": MUTANFusion,
    "perceiver": PerceiverFusion,
    "relation": RelationFusion,
    "residual": ResidualFusion,
    "stacked_attention": StackedAttention,
    "sum": SumFusion,
    "tensor": TensorFusion,
    "token_transformer": TokenTransformer,
}

__all__ = [
    "FUSIONS",
    "BlockFusion",
    "BottleneckFusion",
    "BranchedFusion",
    "CoAttention",
    "ConcatFusion",
    "CrossAttention",
    "FiLMFusion",
    "Fusion",
    "GatedFusion",
    "GroundingFusion",
    "LowRankFusion",
    "MACFusion",
    "MFBFusion",
    "MFHFusion",
    "MUTANFusion",
    "MemoryFusion",
    "MultiplyFusion",
    "PerceiverFusion",
    "RelationFusion",
    "ResidualFusion",
    "StackedAttention",
    "SumFusion",
    "TensorFusion",
    "TokenTransformer",
]
