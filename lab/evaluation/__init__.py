"""What comes after training: the results of a checkpoint, its predictions, and what a notebook loads."""
