"""Which experiment a run is: what was typed for it, of which grid it is a cell, and which reference its result has."""
