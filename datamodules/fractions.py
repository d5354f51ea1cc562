"""The shares of the splits."""


def check_fractions(val_fraction: float, test_fraction: float) -> None:
    """Raise ValueError unless validation and test have a share each, and leave one to train on."""
    if not (val_fraction > 0 and test_fraction > 0 and val_fraction + test_fraction < 1):
        raise ValueError(
            f"val_fraction and test_fraction must be above 0 and together below 1, but they are {val_fraction} and "
            f"{test_fraction}."
        )
