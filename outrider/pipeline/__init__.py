"""From records to acknowledged requests: routing, fair turns, batches, delivery, and the commit that an
acknowledgement allows.
"""
