"""The scripts of cluster/ without a SLURM: its programs are played by others."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from running import ROOT

BASH = shutil.which("bash")


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str, str], None]:
    """Writes a program that a script finds."""
    (tmp_path / "bin").mkdir()

    def write(name: str, script: str = "") -> None:
        path = tmp_path / "bin" / name
        path.write_text(f"#!{BASH}\n{script}\n")
        path.chmod(0o755)

    return write


@pytest.mark.parametrize(("end", "seconds"), [("$(/bin/date -d '300 seconds' +%FT%T)", 200), ("", 60)])
def test_a_job_that_hangs_has_two_thirds_of_the_time_that_is_left(
    tmp_path: Path, program: Callable[[str, str], None], end: str, seconds: int
) -> None:
    program("srun", f"echo $$ > {tmp_path}/srun; touch {tmp_path}/began; exec {shutil.which('sleep')} 60")
    program("scancel", f'echo "$@" > {tmp_path}/told')
    program("squeue", f"echo {end}")
    program("sleep", f'echo "$@" > {tmp_path}/slept')
    program("scontrol", f'echo "$@" > {tmp_path}/requeued; kill $(cat {tmp_path}/srun)')
    path = os.pathsep.join([str(tmp_path / "bin"), os.environ["PATH"]])
    slurm = {"SLURM_JOB_ID": "7", "SLURM_NNODES": "1", "SLURM_NTASKS_PER_NODE": "1", "PATH": path}
    script = str(ROOT / "cluster" / "train.sbatch")
    job = subprocess.Popen([BASH, script], cwd=tmp_path, env={**os.environ, **slurm})
    while not (tmp_path / "began").exists():
        assert job.poll() is None
    job.send_signal(signal.SIGUSR1)
    assert job.wait(timeout=20) == 128 + signal.SIGTERM
    assert (tmp_path / "told").read_text() == "--signal=TERM 7\n"
    assert (tmp_path / "requeued").read_text() == "requeue 7\n"
    assert abs(int((tmp_path / "slept").read_text()) - seconds) <= 2


@pytest.mark.parametrize("missing", ["sbatch", "slurmctld", "slurmd", "munged"])
def test_each_program_of_a_local_slurm_is_looked_for(
    tmp_path: Path, program: Callable[[str, str], None], missing: str
) -> None:
    for name in {"sbatch", "slurmctld", "slurmd", "munged"} - {missing}:
        program(name, "exit 1")
    program("id", "echo 0")
    (tmp_path / "bin" / "dirname").symlink_to(shutil.which("dirname"))
    command = [BASH, str(ROOT / "cluster" / "local_slurm.sh"), "start"]
    done = subprocess.run(command, env={"PATH": str(tmp_path / "bin")}, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"local_slurm.sh: {missing} is not installed: apt-get update && apt-get install")


def test_stop_leaves_no_process_running(tmp_path: Path, program: Callable[[str, str], None]) -> None:
    """A job that is cancelled and two daemons, of which one ignores SIGTERM, and a step that outlived them."""
    (tmp_path / "slurm.conf").write_text("ClusterName=archlab-local\n")
    deaf = [BASH, "-c", "trap '' TERM; echo >&2; for ((;;)); do read -t 1 <> <(:); done"]
    commands = {"slurmd.n1": ["sleep", "60"], "slurmctld": deaf, "step": ["sleep", "60"], "task": deaf}
    running = {
        name: subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True)
        for name, command in commands.items()
    }
    for name in ("slurmctld", "task"):
        running[name].stderr.readline()
    for name in ("slurmd.n1", "slurmctld"):
        (tmp_path / f"{name}.pid").write_text(f"{running[name].pid}\n")
    program("id", "echo 0")
    program("squeue", f"[ -e {tmp_path}/ended ] || echo 7; [ ! -e {tmp_path}/cancelled ] || touch {tmp_path}/ended")
    program("scancel", f'echo "$@" > {tmp_path}/cancelled; kill -0 {running["slurmd.n1"].pid}')
    program("sleep")
    program("pgrep", f'case "$1" in -x) echo {running["step"].pid};; *) echo {running["task"].pid};; esac')
    path = os.pathsep.join([str(tmp_path / "bin"), os.environ["PATH"]])
    places = {"LOCAL_SLURM_CONF": str(tmp_path / "slurm.conf"), "LOCAL_SLURM_PIDS": str(tmp_path), "PATH": path}
    stop = subprocess.Popen([BASH, str(ROOT / "cluster" / "local_slurm.sh"), "stop"], env={**os.environ, **places})
    try:
        ended = {name: process.wait(timeout=20) for name, process in running.items()}
        assert stop.wait(timeout=20) == 0 and (tmp_path / "cancelled").read_text() == "7\n"
    finally:
        for process in (*running.values(), stop):
            process.kill()
    assert ended == {"slurmd.n1": -signal.SIGTERM, **dict.fromkeys(("slurmctld", "step", "task"), -signal.SIGKILL)}
