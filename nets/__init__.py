"""Architectures and algorithms in plain torch."""

from nets.attention import (
    MultiHeadAttention,
    PositiveRandomFeatures,
    RelativeAttention1d,
    SingleHeadAttention,
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
from nets.autoencoder import Autoencoder, TiedAutoencoder
from nets.conv_net import ConvNet
from nets.corruption import GaussianNoise, RandomMask
from nets.graph import GAT, GCN
from nets.graph_backward import graph_convolution
from nets.graph_layers import normalized_adjacency
from nets.gru import GRU, GRULayer
from nets.lstm import LSTM, LSTMLayer
from nets.replicas import (
    call_replicas,
    clip_replicas,
    is_replica_metric,
    replica_metrics,
    stack_replicas,
    take_replica,
)
from nets.rnn import RNN, RNNLayer
from nets.sampling import greedy_search, sample_search
from nets.search import Hypotheses, beam_search
from nets.sequence_models import RecurrentClassifier, RecurrentLanguageModel
from nets.tiling import tiled_logits
from nets.transformer import TransformerEncoderLayer
from nets.unet import UNet
from nets.unet_blocks import Down, Up
from nets.vit import VisionTransformer

__all__ = [
    "GAT",
    "GCN",
    "GRU",
    "LSTM",
    "RNN",
    "Autoencoder",
    "ConvNet",
    "Down",
    "GRULayer",
    "GaussianNoise",
    "Hypotheses",
    "LSTMLayer",
    "MultiHeadAttention",
    "PositiveRandomFeatures",
    "RNNLayer",
    "RandomMask",
    "RecurrentClassifier",
    "RecurrentLanguageModel",
    "RelativeAttention1d",
    "SingleHeadAttention",
    "TiedAutoencoder",
    "TransformerEncoderLayer",
    "UNet",
    "Up",
    "VisionTransformer",
    "attention_rollout",
    "beam_search",
    "call_replicas",
    "clip_replicas",
    "elu_features",
    "graph_convolution",
    "greedy_search",
    "is_replica_metric",
    "kernel_attention",
    "linear_attention",
    "low_rank_attention",
    "normalized_adjacency",
    "projected_attention",
    "quadratic_features",
    "quadratic_kernel",
    "relative_attention",
    "replica_metrics",
    "sample_search",
    "softmax_attention",
    "softmax_kernel",
    "stack_replicas",
    "take_replica",
    "tiled_logits",
]
