"""The `outrider` command: thin click commands over the programs and the library."""
