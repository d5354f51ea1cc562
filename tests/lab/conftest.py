from pathlib import Path

import pytest
from running import Lab


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Lab:
    monkeypatch.chdir(tmp_path)
    for name in ("ARCHLAB_RUN_DIR", "ARCHLAB_DATA", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    return Lab(tmp_path, capsys)
