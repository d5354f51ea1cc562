"""Commands as they are printed: quoted, so that they work when they are pasted."""

import shlex


def command_line(script: str, *arguments: str) -> str:
    """A command of the laboratory, such as ``python train.py test --config 'my runs/x.yaml'``.

    Args:
        script: the program, such as "train.py", or "-m" with a module as the first word.
        arguments: what is typed behind it.
    """
    return shlex.join(["python", script, *arguments])
