"""What was typed, sorted: files first, typed values over them."""

from lab.commands.command_line import CommandLine


def read(*words: str, classes=None) -> CommandLine:
    return CommandLine.read(words, classes or {})


def config_at(folder, name: str):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("seed_everything: 0\n")
    return str(path)


def test_files_come_before_typed_values(tmp_path):
    first, second = config_at(tmp_path, "a.yaml"), config_at(tmp_path, "b.yaml")
    line = read("fit", "--x", "1", "--config", first, "--y=2", f"--config={second}", "-c", first)
    files = ["--config", first, "--config", second, "--config", first]
    assert line.arguments == ["fit", *files, "--x", "1", "--y=2"]
    layered = line.layered(model={"class_path": "A"}, data=None)
    assert layered == ["fit", *files, '--model={"class_path": "A"}', "--x", "1", "--y=2"]


def test_short_names_of_the_house_get_their_path():
    line = read("fit", "--model.net", "UNet", "--data=Toy", classes={"UNet": "nets.UNet", "Toy": "datamodules.Toy"})
    assert line.options == ["--model.net", "nets.UNet", "--data=datamodules.Toy"]


def test_the_run_is_named_after_the_experiment(tmp_path):
    experiment = config_at(tmp_path, "vit.yaml")
    preset, saved = config_at(tmp_path, "presets/debug.yaml"), config_at(tmp_path, "runs/gcn/version_3/config.yaml")
    assert read("fit", "--config", preset, "--config", experiment).run_name({}) == "vit"
    assert read("fit", "--config", saved).run_name({}) == "gcn"
    assert read("fit", "--config", saved).run == tmp_path / "runs" / "gcn" / "version_3"
    assert read("fit", "--config", experiment).run is None


def test_no_words_ask_for_help():
    assert read().arguments == ["--help"]


def test_what_was_typed_is_kept_as_values_by_their_keys(tmp_path):
    config = config_at(tmp_path, "a.yaml")
    line = read(
        "fit", "--config", config, "--model.net.depth", "2", "--data.lr=1.0e-3", "--x=null", "--y=[1,", "--z={a: b}"
    )
    values = {"model.net.depth": 2, "data.lr": 0.001, "x": None, "y": "[1,", "z": {"a": "b"}}
    assert line.overrides == {"configs": [config], "values": values}
