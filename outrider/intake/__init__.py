"""A stand-in of Cloud Logging and of Datadog's log API for tests, demonstrations and laptops: `Intake`.

It stands alone: it shares no code with the exporters it judges.
"""

from outrider.intake.intake import Intake

__all__ = ["Intake"]
