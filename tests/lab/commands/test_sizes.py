"""Sizes that the data know need not be typed; what is stated stands."""

import pytest
import yaml
from running import ROOT

from lab.commands.command_line import CommandLine
from lab.commands.sizes import sizes_of_data
from lab.packages import ClassPaths, import_packages

SHORT = ["--trainer.max_epochs=1", "--trainer.limit_train_batches=1", "--trainer.limit_val_batches=1"]
SHORT += ["--trainer.callbacks=[]", "--trainer.logger=false"]


@pytest.fixture(autouse=True)
def packages() -> None:
    import_packages()


def without_sizes(folder, name: str) -> str:
    """A copy of a config in which the task and its network have no sizes."""
    content = yaml.safe_load((ROOT / "configs" / f"{name}.yaml").read_text())
    task = content["model"]["init_args"]
    for owner in (task, task["net"]["init_args"]):
        for size in ("num_classes", "in_channels", "vocab_size"):
            owner.pop(size, None)
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(content))
    return str(path)


def sizes(*argv: str) -> set[str]:
    return set(sizes_of_data(CommandLine.read(argv, ClassPaths())))


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("gcn_karate_club", {"--model.num_classes=2", "--model.net.num_classes=2", "--model.net.in_channels=34"}),
        ("surname_classifier", {"--model.num_classes=21", "--model.net.num_classes=21", "--model.net.vocab_size=58"}),
        ("vit_digits", {"--model.num_classes=10", "--model.net.num_classes=10", "--model.net.in_channels=1"}),
        ("unet_shapes", {"--model.num_classes=7", "--model.net.num_classes=7", "--model.net.in_channels=1"}),
    ],
)
def test_what_nobody_states_is_that_of_the_data(tmp_path, name, found):
    assert sizes("fit", "--config", without_sizes(tmp_path, name)) == found
    assert sizes("fit", "--config", str(ROOT / "configs" / f"{name}.yaml")) == set()  # where all is stated


def test_one_word_chooses_other_data_and_what_is_typed_stands(tmp_path):
    config = ("fit", "--config", without_sizes(tmp_path, "gcn_karate_club"))
    four = sizes(*config, "--data.labels=communities", "--data.num_communities=4")
    assert four == {"--model.num_classes=4", "--model.net.num_classes=4", "--model.net.in_channels=34"}
    assert sizes(*config, "--model.net.num_classes=3") == {"--model.num_classes=2", "--model.net.in_channels=34"}


def test_a_network_for_images_of_any_size_stays_so(tmp_path):
    content = yaml.safe_load((ROOT / "configs" / "cnn_shapes_max.yaml").read_text())
    del content["model"]["init_args"]["net"]["init_args"]["image_size"]
    path = tmp_path / "cnn.yaml"
    path.write_text(yaml.safe_dump(content))
    assert sizes("fit", "--config", str(path)) == set()


def test_a_run_keeps_the_sizes_and_is_tested_with_them(lab):
    config = without_sizes(lab.folder, "gcn_karate_club")
    assert lab("fit", "--config", config, *SHORT, "--test_after_fit=false") == 0, lab.err
    saved = yaml.safe_load((lab.run("gcn_karate_club") / "config.yaml").read_text())
    assert saved["model"]["init_args"]["net"]["init_args"]["in_channels"] == 34
    typed = yaml.safe_load((lab.run("gcn_karate_club") / "overrides.yaml").read_text())["values"]
    assert not any(key.startswith("model") for key in typed)  # nobody typed them
    assert lab("test", "--config", config, *SHORT[3:]) == 0, lab.err


def test_data_that_cannot_be_built_are_reported_by_the_parser(lab):
    config = without_sizes(lab.folder, "gcn_karate_club")
    assert lab("fit", "--config", config, *SHORT, "--data.labels=3") == 1
    assert "labels must be one of club" in lab.err and lab.err.count("\n") == 1
