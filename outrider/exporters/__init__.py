"""Destinations. Each has an encoder (records -> entries), a client (entries -> answer) and a table of what every
answer means.
"""
