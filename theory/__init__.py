"""Closed forms that experiments are compared with."""

from theory.attention import attention_cost, dot_product_moments, exact_projections
from theory.convolution import conv_output_shape, conv_parameter_count
from theory.corrupted_autoencoder import denoising_linear_autoencoder_optimum, masked_linear_autoencoder_optimum
from theory.gradient_flow import gradient_bound, jacobian_bound, vanishing_rate
from theory.linear_autoencoder import (
    linear_autoencoder_optimum,
    linear_autoencoder_residual,
    regularized_linear_autoencoder_optimum,
)
from theory.pooling import pool
from theory.principal_angle import largest_principal_angle
from theory.random_projection import (
    almost_orthogonal_count,
    almost_orthogonal_vectors,
    jl_dimension,
    jl_projection,
    welch_bound,
)
from theory.relative_attention import conv1d_as_relative_attention, max_pool_as_relative_attention
from theory.scalar_chain import scalar_chain_bound, scalar_chain_gradient

__all__ = [
    "almost_orthogonal_count",
    "almost_orthogonal_vectors",
    "attention_cost",
    "conv1d_as_relative_attention",
    "conv_output_shape",
    "conv_parameter_count",
    "denoising_linear_autoencoder_optimum",
    "dot_product_moments",
    "exact_projections",
    "gradient_bound",
    "jacobian_bound",
    "jl_dimension",
    "jl_projection",
    "largest_principal_angle",
    "linear_autoencoder_optimum",
    "linear_autoencoder_residual",
    "masked_linear_autoencoder_optimum",
    "max_pool_as_relative_attention",
    "pool",
    "regularized_linear_autoencoder_optimum",
    "scalar_chain_bound",
    "scalar_chain_gradient",
    "vanishing_rate",
    "welch_bound",
]
