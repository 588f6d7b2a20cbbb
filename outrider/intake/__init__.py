"""A stand-in of the Cloud Logging API for tests, demonstrations and laptops: `Intake`, REST and gRPC on one store.

It stands alone: it shares no code with the exporters it judges.
"""

from outrider.intake.intake import Intake

__all__ = ["Intake"]
