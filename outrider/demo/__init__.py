"""`outrider demo`: pods that print, an intake, `outrider node` between them, and the sums that have to balance."""
