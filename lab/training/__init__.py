"""One run: its command line, the rules it obeys, what watches it, and what it prints."""
