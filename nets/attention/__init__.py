"""Attention in all its forms: functions of queries, keys and values, feature maps, and layers."""

from nets.attention.feature_maps import PositiveRandomFeatures, elu_features, quadratic_features
from nets.attention.kernels import kernel_attention, quadratic_kernel, softmax_kernel
from nets.attention.linear import linear_attention
from nets.attention.low_rank import low_rank_attention, projected_attention
from nets.attention.multi_head import MultiHeadAttention
from nets.attention.relative import RelativeAttention1d, relative_attention
from nets.attention.rollout import attention_rollout
from nets.attention.single_head import SingleHeadAttention
from nets.attention.softmax import softmax_attention

__all__ = [
    "MultiHeadAttention",
    "PositiveRandomFeatures",
    "RelativeAttention1d",
    "SingleHeadAttention",
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
