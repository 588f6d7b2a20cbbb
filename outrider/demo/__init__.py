"""`outrider demo`: pods that print, an intake, `outrider node` between them, and the sum that has to balance."""
