"""Architectures and algorithms in plain torch."""

from nets.attention import (
    MultiHeadAttention,
    PositiveRandomFeatures,
    RelativeAttention1d,
    attention_rollout,
    elu_features,
    kernel_attention,
    linear_attention,
    low_rank_attention,
    projected_attention,
    quadratic_features,
    quadratic_kernel,
    relative_attention,
    softmax_attention,
    softmax_kernel,
)
from nets.transformer import TransformerEncoderLayer
from nets.vit import VisionTransformer

__all__ = [
    "MultiHeadAttention",
    "PositiveRandomFeatures",
    "RelativeAttention1d",
    "TransformerEncoderLayer",
    "VisionTransformer",
    "attention_rollout",
    "elu_features",
    "kernel_attention",
    "linear_attention",
    "low_rank_attention",
    "projected_attention",
    "quadratic_features",
    "quadratic_kernel",
    "relative_attention",
    "softmax_attention",
    "softmax_kernel",
]
