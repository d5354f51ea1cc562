"""Batches of names: as wide as the longest, of similar lengths, each name once an epoch, in an order of its own."""

import pytest
import torch

from datamodules.buckets import BucketSampler, Names


def names(number: int) -> Names:
    """Names of 1 to 20 characters; the first token of each tells its number."""
    lengths = torch.randint(1, 21, (number,), generator=torch.Generator().manual_seed(number))
    tokens = (torch.arange(20) < lengths[:, None]) * (1 + torch.arange(number)[:, None])
    return Names(tokens, lengths)


def served(
    dataset: Names,
    epoch: int = 0,
    batch_size: int = 8,
    skip: int = 0,
    rank: int = 0,
    num_replicas: int = 1,
    seed: int = 0,
) -> list[int]:
    sampler = BucketSampler(dataset, lambda: skip, batch_size, num_replicas=num_replicas, rank=rank, seed=seed)
    sampler.set_epoch(epoch)
    return list(sampler)


def padding(dataset: Names, order: list[int], batch_size: int) -> float:
    """What share of the tokens of an epoch is padding."""
    batches = [dataset.__getitems__(order[start : start + batch_size]) for start in range(0, len(order), batch_size)]
    return 1 - sum(int(batch[1].sum()) for batch in batches) / sum(batch[0].numel() for batch in batches)


def test_a_batch_is_as_wide_as_its_longest_name_and_brings_what_belongs_to_it() -> None:
    tokens = torch.tensor([[1, 2, 0, 0], [3, 0, 0, 0], [4, 5, 6, 7]])
    dataset = Names(tokens, torch.tensor([2, 1, 4]), torch.tensor([10, 11, 12]), texts=["áb", "c", "defg"])
    batch = dataset.__getitems__([1, 0])
    assert [part.tolist() for part in batch[:3]] == [[[3, 0], [1, 2]], [1, 2], [11, 10]]
    assert batch[3] == ["c", "áb"]
    assert dataset.__getitems__([2])[0].tolist() == [[4, 5, 6, 7]]
    assert len(Names(tokens, torch.tensor([2, 1, 4])).__getitems__([2])) == 2


@pytest.mark.parametrize("number", [1, 7, 8, 400, 401, 1003])
def test_each_name_is_served_once_an_epoch(number: int) -> None:
    dataset = names(number)
    for epoch in range(2):
        assert sorted(served(dataset, epoch)) == list(range(number))


def test_order_is_a_function_of_seed_and_epoch_alone() -> None:
    dataset, orders = names(300), {}
    for seed in (0, 5):
        for epoch in (0, 1):
            torch.manual_seed(10 * seed + epoch)  # the global generator has no say
            orders[seed, epoch] = served(dataset, epoch, seed=seed)
            assert served(dataset, epoch, seed=seed) == orders[seed, epoch]
    assert len(set(map(tuple, orders.values()))) == 4


def test_batches_are_cut_from_sorted_pools_of_fifty() -> None:
    dataset, order = names(1003), served(names(1003), epoch=3, seed=4)
    shuffled = torch.randperm(1003, generator=torch.Generator().manual_seed(7)).tolist()  # as DistributedSampler does
    expected = []
    for start in range(0, 1003, 400):
        pool = sorted(shuffled[start : start + 400], key=lambda number: int(dataset.tensors[1][number]))
        expected += [pool[place : place + 8] for place in range(0, len(pool), 8)]
    batches = [order[start : start + 8] for start in range(0, 1003, 8)]
    assert sorted(batches) == sorted(expected)
    assert batches[-1] == expected[-1] and len(batches[-1]) == 3  # the one that is not full is the last
    assert batches != expected


def test_little_padding_is_computed_and_short_names_are_not_first() -> None:
    dataset = names(2000)
    order, shuffled = served(dataset, batch_size=16), torch.randperm(2000, generator=torch.Generator().manual_seed(0))
    assert padding(dataset, order, 16) < 0.04
    assert padding(dataset, shuffled.tolist(), 16) > 0.4
    lengths = dataset.tensors[1][torch.tensor(order)].float()
    assert abs(torch.corrcoef(torch.stack([lengths, torch.arange(2000.0)]))[0, 1]) < 0.2


def test_batches_have_other_names_in_another_epoch() -> None:
    first, second = ({frozenset(order[i : i + 8]) for i in range(0, 800, 8)} for order in map(_order, (0, 1)))
    assert len(first & second) < 10


def _order(epoch: int) -> list[int]:
    return served(names(800), epoch)


@pytest.mark.parametrize("skip", [8, 96, 100])
def test_a_resumed_epoch_serves_what_is_left_of_it_and_the_next_one_is_whole(skip: int) -> None:
    dataset = names(100)
    seen = iter([skip, 0])
    sampler = BucketSampler(dataset, lambda: next(seen), 8, num_replicas=1, rank=0)
    sampler.set_epoch(1)
    assert len(sampler) == 100
    assert list(sampler) == served(dataset, epoch=1)[skip:]
    sampler.set_epoch(2)
    assert list(sampler) == served(dataset, epoch=2)


@pytest.mark.parametrize(("number", "repeated"), [(1000, 0), (1001, 1)])
def test_two_processes_share_the_names(number: int, repeated: int) -> None:
    dataset = names(number)
    shards = [served(dataset, epoch=2, rank=rank, num_replicas=2) for rank in range(2)]
    assert len(shards[0]) == len(shards[1]) == (number + repeated) // 2
    assert {*shards[0], *shards[1]} == set(range(number))
    assert all(padding(dataset, shard, 8) < 0.04 for shard in shards)
