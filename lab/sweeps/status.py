"""The status of one run of a sweep: how far it is, who executes it, and which checkpoint it resumes from."""

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from lab.commands.command_line import CommandLine
from lab.errors import LabError
from lab.experiments.grids import is_as_stated
from lab.run_folder import RunFolder
from lab.sweeps.process import has_slurm, is_alive
from lab.training.requeue import begun_checkpoint

State = Literal["waiting", "running", "done", "failed", "stopped", "cancelled"]


@dataclass(frozen=True)
class RunStatus:
    """What is known of one run of a sweep, kept as a JSON object in its status file.

    Args:
        state: "stopped" after SIGTERM or Ctrl-C, "cancelled" after ``scancel``.
        argv: the arguments of ``train.py``; ``words`` in the file.
        checkpoint: where this run began, empty when afresh.
        worker: the number of the local worker that executes it.
        process: the process of that worker, see ``this_process``.
        slurm_job: the SLURM job that executes it, such as 12 or 12_3.
        began: when it began, in seconds since 1970.
        seconds: how long it took, in seconds, once it has ended.
        run: its run folder, once it has ended.
        score: the metric of its test, such as "test/acc 0.97".
        error: why it failed.
        lost: whether it ended without a result, because its process was killed.
    """

    state: State = "waiting"
    argv: list[str] = field(default_factory=list)
    checkpoint: str = ""
    worker: int | None = None
    process: dict[str, Any] | None = None
    slurm_job: str = ""
    began: float | None = None
    seconds: float | None = None
    run: str = ""
    score: str = ""
    error: str = ""
    lost: bool = False

    @classmethod
    def read(cls, path: Path) -> "RunStatus":
        """Read a status file: waiting where there is none, running while it is being written."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return cls()
        except json.JSONDecodeError:
            return cls("running")
        content["argv"] = content.pop("words", [])
        known = {item.name for item in fields(cls)}
        return cls(**{key: value for key, value in content.items() if key in known})

    def to_json(self) -> str:
        """The content of the status file; what is not known yet is left out."""
        unset = asdict(RunStatus())
        values = {key: value for key, value in asdict(self).items() if key == "state" or value != unset[key]}
        return json.dumps({"words" if key == "argv" else key: value for key, value in values.items()})

    @property
    def has_ended(self) -> bool:
        """Whether nothing executes the run any more; SLURM may put a stopped one back into its queue."""
        return self.state not in ("waiting", "running")

    @property
    def came_to_its_end(self) -> bool:
        """Whether the run is done, or failed by itself."""
        return self.state == "done" or (self.state == "failed" and not self.lost)

    def is_under_way(self, queued: Collection[str] | None) -> bool | None:
        """Whether the run is still being executed; None where that cannot be known here.

        Args:
            queued: the SLURM jobs that wait or run; None where SLURM does not answer.
        """
        if self.came_to_its_end:
            return False
        if self.slurm_job:
            if not has_slurm():
                return None
            return queued is None or self.slurm_job in queued  # a stopped one too, which was put back into the queue
        if self.state in ("stopped", "cancelled"):
            return False
        return is_alive(self.process) if self.process else None

    def last_checkpoint(self) -> Path | None:
        """The ``last.ckpt`` from which a run resumes that did not come to its end; None when it begins afresh."""
        if self.came_to_its_end:
            return None
        if self.run:
            path: Path | None = Path(self.run, "checkpoints", "last.ckpt")
        else:
            path = Path(self.checkpoint) if self.checkpoint else self._begun_checkpoint()
        return path if path and path.is_file() else None

    def still_states(self, run: Path) -> bool:
        """Whether the config of the run still states what a run folder was started with."""
        line = self._command_line()
        return line is not None and is_as_stated(line.configs[0], line.overrides["values"], RunFolder(run))

    def _begun_checkpoint(self) -> Path | None:
        """The ``last.ckpt`` of a run that was killed before it noted its run folder."""
        line = self._command_line()
        if line is None or self.began is None:
            return None
        overrides = {key: line.overrides[key] for key in ("configs", "values")}  # whichever SLURM job this is
        root = Path(overrides["values"].get("trainer.default_root_dir", "runs"))
        return begun_checkpoint(root, line.run_name(None), overrides, self.began)

    def _command_line(self) -> CommandLine | None:
        """The arguments of the run, parsed; None where its config is gone."""
        try:
            line = CommandLine.read(self.argv, {})
        except LabError:
            return None
        return line if line.configs else None
