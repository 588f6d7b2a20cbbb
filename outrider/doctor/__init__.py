"""What is in the way of a collector here, found by asking, each finding with its cure: `outrider doctor`."""
