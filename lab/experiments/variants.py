"""What was typed to start a run: its config file, and the values beside it."""

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from lab.config_files import load_config_file, to_cli, values_of
from lab.directions import MONITOR, mode_of
from lab.experiments.callback_values import callback_options, identifying_callbacks
from lab.experiments.repeats import PROCESSES, SHOWN, data_notes, process_options
from lab.run_folder import RunFolder, from_here

# What may differ between repeats of an experiment: their seeds, and where, how and how talkatively they ran. What
# callbacks, processes and files of data make of a run is compared by what they do, not by their values.
NON_IDENTIFYING_KEYS = re.compile(
    r"(seed_everything|data\.seed|data\.root|reference|ckpt_path|test_after_fit|compile|save_every_minutes|"
    r"trainer\.(accelerator|strategy|logger|log_every_n_steps|default_root_dir|limit_predict_batches|"
    r"callbacks(\+|\..+)?|enable_(progress_bar|model_summary|autolog_hparams)))$"
)


@dataclass(frozen=True)
class Variant:
    """An experiment as one would type it again.

    Args:
        name: the name of its config, which the folder of its runs has.
        config: the path of its config file; empty where none was typed.
        overrides: what is typed behind it, further config files first; empty where the file states all.
        evaluation: what is typed to test it otherwise than it is tested; empty for the result of its runs.
    """

    name: str
    config: str
    overrides: str
    evaluation: str = ""

    @property
    def is_usual(self) -> bool:
        """Whether its config file is where those of the laboratory are."""
        return self.config in ("", usual_config(self.name))

    @property
    def label(self) -> str:
        tested = f", tested with {self.evaluation}" if self.evaluation else ""
        return f"{self.name if self.is_usual else self.config}{self.overrides}{tested}"

    @property
    def command(self) -> str:
        config = f" --config {shlex.quote(self.config)}" if self.config else ""
        if self.evaluation:
            options, mark, note = self.overrides.partition(" # data ")
            return f"python train.py test{config}{options} {self.evaluation}{mark}{note}"
        return f"python train.py fit{config}{self.overrides}"


class Start(NamedTuple):
    """How a run began: its config file, those layered over it, what they state, and what was typed beside them."""

    config: str
    layers: list[str]
    stated: dict[str, Any]
    overrides: dict[str, Any]


def variants_of(runs: Sequence[RunFolder]) -> list[Variant]:
    """For each of some runs, its config file and the values other than the file's.

    A value that the file does not state is named where it was typed, and where runs of the file disagree about it
    although none of them typed it; one that a run does not know, because it is older than the argument, is no
    disagreement.

    Args:
        runs: run folders; what was typed for those without ``overrides.yaml`` is not known.
    """
    starts, ran = [start_of(run) for run in runs], [normalized_values(run.config) for run in runs]
    others = _distinct(starts, ran)
    variants = []
    for run, start, values in zip(runs, starts, ran, strict=True):
        stated = normalized_values({"monitor": MONITOR, **start.stated})
        keys = {key for key, value in stated.items() if key in values and values[key] != value}
        keys |= start.overrides.keys() - stated.keys()
        for overrides, known in others[start.config]:
            unstated = values.keys() & known.keys() - stated.keys()
            chosen = {**start.overrides, **overrides}
            keys |= {key for key in unstated if values[key] != known[key] and not _is_within(key, chosen)}
        options = _options_of(run, start, values, keys)
        variants.append(Variant(run.name, start.config, options, _evaluation_of(run)))
    typed_roots = [start.overrides.get("data.root") for start in starts]
    notes = data_notes(runs, variants, typed_roots)
    return [replace(variant, overrides=variant.overrides + note) for variant, note in zip(variants, notes, strict=True)]


def _distinct(
    starts: Sequence[Start], ran: Sequence[dict[str, Any]]
) -> dict[str, list[tuple[dict[str, Any], dict[str, Any]]]]:
    """What was typed and what ran, by config file; repeats of an experiment are there once."""
    found: dict[str, dict[str, tuple[dict[str, Any], dict[str, Any]]]] = {}
    for start, values in zip(starts, ran, strict=True):
        known = {key: values[key] for key in _identifying(values)}
        overrides = {key: start.overrides[key] for key in _identifying(start.overrides)}
        identity = repr((sorted(known.items()), sorted(overrides.items())))
        found.setdefault(start.config, {})[identity] = (overrides, known)
    return {config: list(of.values()) for config, of in found.items()}


def _options_of(run: RunFolder, start: "Start", values: dict[str, Any], keys: set[str]) -> str:
    """What is typed behind its config file to repeat a run, where ``keys`` are those whose values differ."""
    options = [f"--config {shlex.quote(layer)}" for layer in start.layers if _matters(layer, start)]
    # A test of a part is a result of its own, but was its run's when a run noted no data yet.
    passed_over = {*PROCESSES, "trainer.limit_test_batches"} if run.data else {*PROCESSES}
    for key in sorted({*_identifying(keys)} - passed_over):
        value = values.get(key, start.overrides.get(key))
        if key == "monitor_mode" and value is None:  # as the metric's name says, though the file may state another
            value = mode_of(str(values.get("monitor"))) if start.stated.get(key) else None
        if key != "monitor_mode" or value:
            options.append(f"--{key} {shlex.quote(to_cli(value))}")
    options += process_options(run, start.stated, values)
    options += map(shlex.quote, _callbacks_of(start, values))
    return "".join(f" {word}" for word in options)


def _callbacks_of(start: Start, values: dict[str, Any]) -> list[str]:
    """What is typed for the callbacks of a run; of a config file that is gone they are taken as it stated them."""
    prefix = "trainer.callbacks"
    typed_arguments = {
        key.removeprefix(f"{prefix}."): of for key, of in start.overrides.items() if key.startswith(f"{prefix}.")
    }
    given = start.overrides.get(prefix)
    given = {"class_path": given, "init_args": typed_arguments} if isinstance(given, str) else given
    ran = values.get(prefix)
    gone = bool(start.config) and not Path(start.config).is_file() and given is None
    return [] if gone or prefix not in values else callback_options(start.stated.get(prefix), ran, given)


def _evaluation_of(folder: RunFolder) -> str:
    """What is typed for a result that is not its run's own, and which files of data it is on where nothing was."""
    of = folder.evaluation
    options = [f"--{key} {shlex.quote(to_cli(value))}" for key, value in of.get("overrides", {}).items()]
    return " ".join([*options, *([f"# data {of['data'][:SHOWN]}"] if of.get("data") else [])])


def usual_config(name: str) -> str:
    """Where the config file of an experiment lies, unless another was typed."""
    return f"configs/{name}.yaml"


def normalized_values(config: dict[str, Any]) -> dict[str, Any]:
    """``values_of`` a config, with a ``monitor_mode`` only where it is not what the metric's name says."""
    values = values_of(config)
    if "monitor_mode" in values and values["monitor_mode"] == mode_of(str(values.get("monitor", MONITOR))):
        values["monitor_mode"] = None
    return values


def start_of(run: RunFolder) -> Start:
    """How a run began; one that repeats another by its ``config.yaml`` began as that did."""
    run = run.owner
    given = run.overrides
    if given is None:
        return _begun(usual_config(run.name), [], {})
    files = [str(from_here(file)) for file in given["configs"]]
    config = next((file for file in files if Path(file).parent.name != "presets"), "")
    layers = [file for file in files if file != config]
    keys = {re.sub(r"\.(init_args|class_path)(?=\.|$)", "", key).rstrip("+"): key for key in given["values"]}
    values = values_of({key: given["values"][typed_key] for key, typed_key in keys.items()})
    origin = Path(config).parent
    is_saved = Path(config).name == "config.yaml" and RunFolder.is_one(origin)
    if is_saved and origin.resolve() != run.path.resolve():  # the run repeats another
        first = start_of(RunFolder(origin))
        return _begun(first.config, [*first.layers, *layers], {**first.overrides, **values})
    return _begun(config, layers, values)


def _begun(config: str, layers: list[str], values: dict[str, Any]) -> Start:
    files = [values_of(load_config_file(file)) for file in (config, *layers)]
    return Start(config, layers, {key: value for stated in files for key, value in stated.items()}, values)


def _matters(layer: str, start: Start) -> bool:
    """Whether a config file states more than what repeats may differ in, or may have done so when it was there."""
    values, main = values_of(load_config_file(layer)), values_of(load_config_file(start.config))
    callbacks = [identifying_callbacks(of.get("trainer.callbacks")) for of in (values, main)]
    others = "trainer.callbacks" in values and callbacks[0] != callbacks[1]
    return not Path(layer).is_file() or bool(_identifying(values)) or others


def _identifying(keys: Iterable[str]) -> list[str]:
    return [key for key in keys if not NON_IDENTIFYING_KEYS.match(key)]


def _is_within(key: str, others: Iterable[str]) -> bool:
    """Whether a key is one of others, or of the class that one of them chooses."""
    return any(key == other or key.startswith(f"{other}.") for other in others)
