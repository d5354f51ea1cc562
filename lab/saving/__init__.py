"""What a run writes while it trains, and how it goes on from there."""
