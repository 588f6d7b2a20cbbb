"""google.monitoring.v3.MetricService on the official protobuf messages.

A message becomes proto3 JSON and then goes the way of the REST side, and so do the answers, backwards.
"""

from typing import Any

from google.api import metric_pb2, monitored_resource_pb2
from google.cloud.monitoring_v3 import types
from google.protobuf import empty_pb2, json_format

from outrider.intake.errors import UNIMPLEMENTED, ApiError, invalid
from outrider.intake.faults import PARTIAL
from outrider.intake.grpc_calls import Calls, Method, parsed
from outrider.intake.monitoring.api import Monitoring
from outrider.intake.monitoring.listing import SeriesQuery
from outrider.intake.monitoring.wire import parse_create, parse_descriptor
from outrider.intake.timestamps import SECOND


class MetricService:
    """The methods of the service."""

    NAME = "google.monitoring.v3.MetricService"

    def __init__(self, api: Monitoring, calls: Calls) -> None:
        self._api = api
        self._calls = calls

    def methods(self) -> dict[str, Method]:
        """Methods by their name."""
        return {
            "CreateTimeSeries": self._create_time_series,
            "ListTimeSeries": self._list_time_series,
            "CreateMetricDescriptor": self._create_descriptor,
            "GetMetricDescriptor": self._get_descriptor,
            "ListMetricDescriptors": self._list_descriptors,
            "DeleteMetricDescriptor": self._delete_descriptor,
            "ListMonitoredResourceDescriptors": self._list_resources,
            "GetMonitoredResourceDescriptor": self._get_resource,
        }

    def _create_time_series(self, data: bytes, context: Any) -> Any:
        fault = self._api.draw(PARTIAL)

        def take() -> Any:
            message = parsed(types.CreateTimeSeriesRequest, data)
            series = parse_create({"timeSeries": [_as_json(one) for one in message.time_series]})
            self._api.create_time_series(message.name, series, fault)
            return empty_pb2.Empty()

        return self._write(data, context, fault, take)

    def _create_descriptor(self, data: bytes, context: Any) -> Any:
        def take() -> Any:
            message = parsed(types.CreateMetricDescriptorRequest, data)
            made = self._api.create_descriptor(message.name, parse_descriptor(_as_json(message.metric_descriptor)))
            return json_format.ParseDict(made, metric_pb2.MetricDescriptor())

        return self._write(data, context, self._api.draw(), take)

    def _write(self, data: bytes, context: Any, fault: Any, take: Any) -> Any:
        answer = self._api.answer(fault) if fault else None
        return self._calls.write(data, context, fault, answer, take, self._api.store.count_request)

    def _list_time_series(self, data: bytes, _: Any) -> Any:
        asked = parsed(types.ListTimeSeriesRequest, data)
        if asked.aggregation.per_series_aligner:
            raise ApiError(UNIMPLEMENTED, "This service does not align or reduce time series.")
        query = SeriesQuery(
            asked.filter,
            _time(asked.interval, "end_time"),
            _time(asked.interval, "start_time"),
            asked.view == types.ListTimeSeriesRequest.TimeSeriesView.HEADERS,
            asked.page_size,
            asked.page_token,
        )
        found, token = self._api.list_time_series(asked.name, query)
        answer = {"timeSeries": found, "nextPageToken": token}
        return json_format.ParseDict(answer, types.ListTimeSeriesResponse.pb()())

    def _get_descriptor(self, data: bytes, _: Any) -> Any:
        name = parsed(types.GetMetricDescriptorRequest, data).name
        return json_format.ParseDict(self._api.get_descriptor(name), metric_pb2.MetricDescriptor())

    def _list_descriptors(self, data: bytes, _: Any) -> Any:
        asked = parsed(types.ListMetricDescriptorsRequest, data)
        found, token = self._api.list_descriptors(asked.name, asked.filter, asked.page_size, asked.page_token)
        answer = {"metricDescriptors": found, "nextPageToken": token}
        return json_format.ParseDict(answer, types.ListMetricDescriptorsResponse.pb()())

    def _delete_descriptor(self, data: bytes, _: Any) -> Any:
        self._api.delete_descriptor(parsed(types.DeleteMetricDescriptorRequest, data).name)
        return empty_pb2.Empty()

    def _list_resources(self, data: bytes, _: Any) -> Any:
        asked = parsed(types.ListMonitoredResourceDescriptorsRequest, data)
        found, token = self._api.list_resources(asked.name, asked.filter, asked.page_size, asked.page_token)
        answer = {"resourceDescriptors": found, "nextPageToken": token}
        return json_format.ParseDict(answer, types.ListMonitoredResourceDescriptorsResponse.pb()())

    def _get_resource(self, data: bytes, _: Any) -> Any:
        name = parsed(types.GetMonitoredResourceDescriptorRequest, data).name
        return json_format.ParseDict(self._api.get_resource(name), monitored_resource_pb2.MonitoredResourceDescriptor())


def _as_json(message: Any) -> Any:
    """A message as proto3 JSON; ApiError if there is no such JSON (a time outside the years 1 to 9999)."""
    try:
        return json_format.MessageToDict(message)
    except (ValueError, TypeError, json_format.Error) as error:
        raise invalid(f"Request could not be parsed: {error}") from None


def _time(interval: Any, name: str) -> int | None:
    """Nanoseconds of a time of the interval, None if it is not set."""
    if not interval.HasField(name):
        return None
    time = getattr(interval, name)
    return int(time.seconds) * SECOND + int(time.nanos)
