"""What runs on a SLURM cluster: a sweep as a job array, several processes of one run, a job that outlasts its time."""

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from running import DIGITS, NO_PICTURES, ROOT, SMALL, Lab

from lab import read_metrics
from lab.sweeps.main import main
from lab.sweeps.slurm import SlurmJobs
from lab.sweeps.status import RunStatus

pytestmark = pytest.mark.slurm
SBATCH = ROOT / "cluster" / "train.sbatch"


@pytest.fixture(scope="module", autouse=True)
def slurm() -> Iterator[None]:
    """A running SLURM whose jobs find this Python and the modules of the tests, each on one thread."""
    answer = shutil.which("sbatch") and subprocess.run(["sinfo"], capture_output=True, check=False, timeout=20)
    if not answer or answer.returncode:
        pytest.skip("no SLURM answers: cluster/local_slurm.sh start")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "tests" / "helpers")]))
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("MASTER_ADDR", "127.0.0.1")  # nodes of one machine have no addresses of their own
        yield


def sbatch(folder: Path, options: list[str], *words: str) -> str:
    """Submit ``train.sbatch``, whose log and runs are kept in a folder; the number of the job."""
    command = ["sbatch", "--parsable", f"--output={folder}/job.log", *options, str(SBATCH), *words]
    root = f"--trainer.default_root_dir={folder}/runs"
    done = subprocess.run([*command, root], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@dataclass
class LongJob:
    """A job that outlasts its time: its number, its folder, and the file without which it would end at once."""

    number: str
    folder: Path
    slow: Path
    words: list[str]


@pytest.fixture(scope="module", autouse=True)
def long_job(slurm: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LongJob]:
    """Submitted before the other tests, so that these need not wait for the end of its time."""
    folder = tmp_path_factory.mktemp("long_job")
    slow = folder / "slow"
    slow.touch()
    callbacks = yaml.safe_dump([{"class_path": "hindrances.SlowWhile", "init_args": {"path": str(slow)}}])
    words = [*(word for word in SMALL if word != NO_PICTURES and "batches" not in word), "--test_after_fit=true"]
    words += [f"--trainer.callbacks={callbacks}", "--trainer.limit_train_batches=300", "--data.batch_size=4"]
    options = ["--time=1", "--signal=B:USR1@10"]  # SLURM sends it up to half a minute earlier
    number = sbatch(folder, options, *DIGITS, *words)
    yield LongJob(number, folder, slow, words)
    subprocess.run(["scancel", number], check=False)


def wait_for(job: str, while_it: Callable[[str], None] = lambda shown: None, seconds: float = 240) -> None:
    """Wait until a job has left the queue, and look at it now and then: its state and how often it was requeued."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        command = ["squeue", "--noheader", f"--jobs={job}", "--Format=StateCompact:5,RestartCnt:5"]
        shown = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        if not shown.strip():
            return
        while_it(shown)
        time.sleep(0.5)
    subprocess.run(["scancel", job], check=False)
    pytest.fail(f"job {job} did not end within {seconds} s")


def log_of(folder: Path) -> str:
    text = (folder / "job.log").read_text(errors="replace")
    print(text)  # for pytest to show when the test fails
    return text


def test_a_sweep_is_a_job_array(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(ROOT / "configs", lab.folder / "configs")
    swept = ["--grid", "model.corruption.std=0.1,0.5", "trainer.max_epochs=1", "trainer.limit_train_batches=2"]
    words = ["--config", "configs/autoencoder_digits.yaml", *swept, "trainer.callbacks=[]", "--seeds", "0..1"]
    status = main([*words, "--executor", "slurm", "--jobs", "4", "--slurm", "time=5"])
    out = capsys.readouterr().out
    assert status == 0, out
    assert "4 runs, 0 of them finished" in out and out.count(": done in ") == 4 and "test/loss" in out
    sweep = lab.folder / "runs" / "autoencoder_digits" / "sweep_0"
    (script,) = (sweep / "jobs").glob("*_submission.sh")
    assert "#SBATCH --array=0-3%4" in script.read_text()
    done = yaml.safe_load((sweep / "sweep.yaml").read_text())["runs"]
    assert [run["state"] for run in done] == ["done"] * 4 and len({run["run"] for run in done}) == 4
    losses = [read_metrics(run["run"])["test/loss"][1] for run in done]
    assert len({tuple(loss) for loss in losses}) == 4  # two noises of two seeds
    assert main([*words, "--executor", "slurm"]) == 0
    assert "4 runs, 4 of them finished" in capsys.readouterr().out


def test_a_cancelled_task_is_told_from_a_killed_one(
    lab: Lab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One run after another: the first is killed, the second cancelled under way, the third while it waits."""
    shutil.copytree(ROOT / "configs", lab.folder / "configs")
    (lab.folder / "slow").touch()
    slow = f"{{class_path: hindrances.SlowWhile, init_args: {{path: {lab.folder / 'slow'}}}}}"
    callbacks = f"trainer.callbacks=[{{class_path: hindrances.Killed}}],[{slow}],[{slow},{slow}]"
    words = ["--config", "configs/autoencoder_digits.yaml", "--grid", callbacks]
    sweep = lab.folder / "runs" / "autoencoder_digits" / "sweep_0"
    monkeypatch.setattr(SlurmJobs, "SECONDS_BETWEEN", 1.0)

    def cancel() -> None:
        until = time.monotonic() + 120
        while time.monotonic() < until and not any("epoch 1" in log.read_text() for log in sweep.glob("001_*.log")):
            time.sleep(0.5)
        for number in ("002", "001"):
            (status,) = sweep.glob(f"{number}_*.json")
            subprocess.run(["scancel", RunStatus.read(status).slurm_job], check=True)

    thread = threading.Thread(target=cancel)
    thread.start()
    status = main([*words, "--executor", "slurm", "--jobs", "1", "--slurm", "time=5"])
    thread.join()
    out = capsys.readouterr().out
    runs = yaml.safe_load((sweep / "sweep.yaml").read_text())["runs"]
    assert status == 1 and [run["state"] for run in runs] == ["failed", "cancelled", "cancelled"], out
    assert "ended without a result: killed, or out of memory; SLURM says FAILED" in runs[0]["error"]
    assert out.count(": cancelled in ") == 2 and "the same command goes on with what is missing" in out
    assert main([*words, "--dry-run"]) == 0
    assert capsys.readouterr().out.count("--ckpt_path=") == 1  # of the run that could save before it ended


def test_the_processes_of_a_job_train_one_network(tmp_path: Path) -> None:
    wait_for(sbatch(tmp_path, ["--nodes=2", "--time=5"], *DIGITS, *SMALL, "--test_after_fit=true"))
    log = log_of(tmp_path)
    assert "Starting with 2 processes" in log and "error" not in log
    assert [run.name for run in (tmp_path / "runs" / "vit_digits").iterdir()] == ["version_0"]
    metrics = read_metrics(tmp_path / "runs" / "vit_digits" / "version_0")
    assert len(metrics["val/loss"][1]) == 2 and len(metrics["test/acc"][1]) == 1


def test_a_job_out_of_time_is_requeued_and_ends_as_if_it_had_not_been(long_job: LongJob, lab: Lab) -> None:
    def hurry(shown: str) -> None:
        if int(shown.split()[1]) and list(long_job.folder.glob("runs/vit_digits/version_*/checkpoints/last.ckpt")):
            long_job.slow.unlink(missing_ok=True)

    wait_for(long_job.number, hurry)
    log = log_of(long_job.folder)
    assert not long_job.slow.exists() and "Stopped by SIGTERM at step" in log and "last.ckpt is saved" in log
    (resumed,) = long_job.folder.glob("runs/vit_digits/version_*/metrics.csv")
    assert lab("fit", *DIGITS, *long_job.words) == 0  # without a break
    assert resumed.read_text() == (lab.run() / "metrics.csv").read_text()
