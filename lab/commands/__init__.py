"""What a person types: the command line of train.py, its rules, and its error sentences."""
