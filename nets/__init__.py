"""Architectures and algorithms in plain torch."""

from nets.attention import MultiHeadAttention, attention_rollout, softmax_attention
from nets.transformer import TransformerEncoderLayer
from nets.vit import VisionTransformer

__all__ = [
    "MultiHeadAttention",
    "TransformerEncoderLayer",
    "VisionTransformer",
    "attention_rollout",
    "softmax_attention",
]
