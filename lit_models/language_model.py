"""A conditional language model, and the texts that it writes."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor, nn
from torch.nn import functional as F

from lit_models.class_counts import check_counts, check_vocabulary, classes_of_data
from lit_models.task import LitTask
from nets import Hypotheses, beam_search, greedy_search, sample_search
from nets.labels import check_labels, cross_entropy
from nets.sequences import PAD_TOKEN

WAYS = ("greedy", "beam", "sample")  # to write a text


class LitLanguageModel(LitTask):
    r"""Trains a network to predict the next token of a text under a condition, such as its language.

    loss = −log p(token | those before it, condition), averaged over the tokens and the end of each text, in nats; logs
    ``train/loss``, for ``val`` and ``test`` the ``loss``, ``perplexity`` = e^loss and ``bits_per_char`` = loss/ln 2,
    and ``test/bits_per_char/<condition>`` for each condition.

    In prediction it writes: the most probable text token by token, the best of a beam search, and samples.

    Args:
        net: from tokens (B, T) and conditions (B,) to logits (B, T, V), with ``initial_state`` and ``step`` as
            ``nets.RecurrentLanguageModel`` has them.
        beam_width: hypotheses of the beam search, ≥ 1; as many as texts are wanted of a condition, if those are more.
        max_length: tokens of a text at most, its end included, ≥ 1.
        length_penalty: see ``nets.beam_search``.
        temperature: of the samples, above 0.
        optimizer: from parameters to an optimizer; AdamW with torch's defaults when None.
        scheduler: from an optimizer to a learning-rate scheduler; see ``LitTask``.

    Shapes:
        batch: tokens (B, T), padded with 0, lengths (B,), conditions (B,); to predict: see ``predict_step``

    Raises:
        ValueError: when an argument is out of its range, or the data does not have the conditions of the network.
    """

    def __init__(
        self,
        net: nn.Module,
        beam_width: int = 8,
        max_length: int = 30,
        length_penalty: float = 0.0,
        temperature: float = 1.0,
        optimizer: OptimizerCallable | None = None,
        scheduler: LRSchedulerCallable | None = None,
    ) -> None:
        super().__init__(net, optimizer, scheduler)
        self.save_arguments()
        for name, value in {"beam_width": beam_width, "max_length": max_length}.items():
            if value < 1:
                raise ValueError(f"{name} must be at least 1, but it is {value}.")
        if not temperature > 0:
            raise ValueError(f"temperature must be above 0, but it is {temperature}.")
        self.beam_width, self.max_length = beam_width, max_length
        self.length_penalty, self.temperature = length_penalty, temperature

    def check_classes(self, exact: bool) -> None:
        """Raise ValueError unless the conditions and the tokens of the network are those of the data."""
        data = self.datamodule
        check_counts(classes_of_data(data), "languages", {"model.net.num_conditions": self.net.num_conditions}, exact)
        check_vocabulary(data, self.net, exact)

    def setup(self, stage: str) -> None:
        """Check the conditions of the network against the data, and that ``predict`` knows how many texts to write."""
        super().setup(stage)
        if stage == "predict" and getattr(self.datamodule, "num_written", None) is None:
            raise ValueError("a generator must know how many texts it is to write: set data.num_written, say to 8.")

    def training_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> Tensor:
        nats, count = self._nats(batch)
        return self.track(nats.sum() / count.sum(), int(count.sum()))

    def on_validation_epoch_start(self) -> None:
        self._sums: Tensor | float = 0.0

    def on_test_epoch_start(self) -> None:
        self._sums = 0.0

    def validation_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> None:
        self._add(batch)

    def test_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> None:
        self._add(batch)

    def on_validation_epoch_end(self) -> None:
        self._log_sums("val")

    def on_test_epoch_end(self) -> None:
        nats, count = self._log_sums("test")
        names = getattr(self.datamodule, "class_names", None) or range(len(nats))
        for number, name in enumerate(names):
            if count[number]:
                self.log(f"test/bits_per_char/{name}", nats[number] / count[number] / math.log(2))

    def on_predict_epoch_start(self) -> None:
        self.new: Counter[str] = Counter()
        self.written: Counter[str] = Counter()
        self.known = self.datamodule.training_names()

    def predict_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> dict[str, Any]:
        """What the network writes under each condition: greedily, the n-th best of a beam search, and a sample.

        Shapes:
            conditions (B,), places (B,): the hypothesis wanted, 0 for the best -> columns of B values
        """
        conditions, places = batch
        data, net = self.datamodule, self.net
        width = max(self.beam_width, data.num_written)
        distinct, rows = conditions.unique(return_inverse=True)
        state, start = net.initial_state(distinct), torch.full_like(distinct, PAD_TOKEN)
        greedy = greedy_search(net.step, state, start, self.max_length, PAD_TOKEN)
        beams = beam_search(
            net.step, state, start, width, self.max_length, PAD_TOKEN, self.length_penalty, num_return=width
        )
        state, start = net.initial_state(conditions), torch.full_like(conditions, PAD_TOKEN)
        samples = sample_search(net.step, state, start, self.max_length, PAD_TOKEN, self.temperature)
        pairs = list(zip(rows.tolist(), places.tolist(), strict=True))
        columns: dict[str, Any] = {"language": [data.class_names[number] for number in conditions.tolist()]}
        columns |= self._column("greedy", greedy, [(row, 0) if place == 0 else None for row, place in pairs])
        columns |= self._column("beam", beams, pairs)
        return columns | self._column("sample", samples, [(row, 0) for row in range(len(pairs))])

    def on_predict_epoch_end(self) -> None:
        """Say what share of the texts is new."""
        counts = torch.tensor([[self.new[way], self.written[way]] for way in WAYS], device=self.device)
        of_all_processes = self.trainer.strategy.reduce(counts, reduce_op="sum").tolist()
        pairs = zip(WAYS, of_all_processes, strict=True)
        shares = [f"{way} {new} of {written}" for way, (new, written) in pairs if written]
        rank_zero_info(f"New, not among the training names: {', '.join(shares)}.")

    def _column(self, way: str, found: Hypotheses, wanted: Sequence[tuple[int, int] | None]) -> dict[str, list[Any]]:
        """Of each row a hypothesis of some sequence, or nothing: the text, its log-probability, whether it is new."""
        columns: dict[str, list[Any]] = {way: [], f"{way}_log_prob": [], f"{way}_is_new": []}
        for pair in wanted:
            values: tuple[Any, ...] = ("", "", "")
            if pair is not None and float(found.log_probs[pair]) > -math.inf:
                (text,) = self.datamodule.decode(found.tokens[pair][None])
                is_new = bool(text) and text not in self.known
                self.written[way] += 1
                self.new[way] += is_new
                values = (text, float(found.log_probs[pair]), "new" if is_new else "")
            for column, value in zip(columns.values(), values, strict=True):
                column.append(value)
        return columns

    def _nats(self, batch: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """The nats of each text, and of how many tokens, its end included."""
        tokens, lengths, conditions = batch
        tokens, conditions = check_labels(tokens, name="tokens"), check_labels(conditions, name="conditions", ndim=1)
        try:
            logits = self.net(F.pad(tokens, (1, 0), value=PAD_TOKEN), conditions)  # (B, T + 1, V)
        except IndexError:  # of an embedding that has met a number that it has no vector of
            check_labels(tokens, getattr(self.net, "vocab_size", None), "tokens")
            check_labels(conditions, getattr(self.net, "num_conditions", None), "conditions")
            raise
        targets = F.pad(tokens, (0, 1), value=PAD_TOKEN)
        nats = cross_entropy(logits.mT, targets, reduction="none")
        counts = torch.arange(targets.shape[1], device=tokens.device) <= lengths[:, None]
        return (nats * counts).sum(dim=1), lengths + 1

    def _add(self, batch: tuple[Tensor, ...]) -> None:
        nats, count = self._nats(batch)
        exact = torch.float32 if self.device.type == "mps" else torch.float64
        sums = torch.zeros(2, self.net.num_conditions, dtype=exact, device=self.device)
        self._sums = self._sums + sums.index_add_(1, batch[2].long(), torch.stack([nats, count]).to(exact))

    def _log_sums(self, split: str) -> Tensor:
        sums = self.trainer.strategy.reduce(self._sums, reduce_op="sum")
        loss = sums[0].sum() / sums[1].sum()
        values = {"loss": loss, "perplexity": loss.exp(), "bits_per_char": loss / math.log(2)}
        self.log_dict({f"{split}/{name}": value for name, value in values.items()})
        return sums
