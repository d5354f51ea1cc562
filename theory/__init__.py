"""Closed forms that experiments are held against."""

from theory.attention import attention_cost, dot_product_moments, exact_projections
from theory.relative_attention import conv1d_as_relative_attention, max_pool_as_relative_attention

__all__ = [
    "attention_cost",
    "conv1d_as_relative_attention",
    "dot_product_moments",
    "exact_projections",
    "max_pool_as_relative_attention",
]
