"""A stand-in of Cloud Logging, Cloud Monitoring, and Datadog's logs and metrics, for tests and laptops: `Intake`.

It stands alone: it shares no code with the exporters it judges.
"""

from outrider.intake.intake import Intake

__all__ = ["Intake"]
