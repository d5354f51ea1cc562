"""Many runs, on this machine or on SLURM, and the reproduction of all of them."""
