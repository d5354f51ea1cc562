"""One run: its checkpoints, signals, loggers, guards and predictions, and how it goes on where it stopped."""
