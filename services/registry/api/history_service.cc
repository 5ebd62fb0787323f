#include "services/registry/api/history_service.h"

#include <algorithm>
#include <utility>

#include "libs/base/clock.h"
#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/json/parse.h"
#include "libs/rpc/resource_name.h"
#include "services/registry/api/convert.h"
#include "services/registry/api/page.h"
#include "services/registry/api/typed_convert.h"
#include "services/registry/core/plain_text.h"
#include "services/registry/store/device_table.h"
#include "services/registry/store/history_reader.h"

namespace homeport::registry {
namespace {

const std::initializer_list<std::string_view> kReaders = {"user", "operator"};
constexpr size_t kPlaceKeys = 2;  // of a HistoryPlace
constexpr PageSizes kPages = {.size = 100, .size_max = 1000};
constexpr int64_t kDayMs = 86'400'000;
constexpr int64_t kWindowMsMax = 366 * kDayMs;
constexpr int64_t kBackMs = 31 * kDayMs;
// Between the clocks of pods, and between a device's first message and its registration.
constexpr int64_t kSlackMs = 60'000;

// Of the years 1 to 9999, which google.protobuf.Timestamp has.
int64_t ToMs(const google::protobuf::Timestamp& time) {
  constexpr int64_t kFirstS = -62'135'596'800, kLastS = 253'402'300'799;
  return std::clamp(time.seconds(), kFirstS, kLastS) * 1000 + time.nanos() / 1'000'000;
}

// What was received from `from_ms` up to, not including, `until_ms`.
struct Range {
  int64_t from_ms = 0;
  int64_t until_ms = 0;
};

template <typename Request>
absl::StatusOr<Range> ReadRange(const Request& request, const DeviceRow& device) {
  Range range;
  range.until_ms =
      request.has_end_time() ? ToMs(request.end_time()) : SystemClock().Wall().value + kSlackMs;
  range.from_ms = request.has_start_time() ? ToMs(request.start_time()) : device.created_ms;
  if (range.until_ms < range.from_ms) return FieldInvalid("end_time", "before start_time");
  range.from_ms = std::max(range.from_ms, device.created_ms - kSlackMs);
  return range;
}

absl::StatusOr<DeviceRow> FindOwned(postgres::Connection& connection, const auth::Claims& claims,
                                    const std::string& parent) {
  HP_ASSIGN_OR_RETURN(const rpc::DeviceName name, rpc::ParseDeviceName(parent, claims.tenant));
  HP_RETURN_IF_ERROR(rpc::CheckTenant(claims, name.tenant.str()));
  return FindDevice(connection, name.tenant, name.device);
}

// A channel, an event or a property, and the request's field that names it.
struct SeriesName {
  std::string_view field;
  const std::string& name;
};

template <typename Request>
absl::StatusOr<HistoryQuery> ReadQuery(const Request& request, const DeviceRow& device,
                                       const SeriesName& series, const Page& page) {
  if (!IsPlainText(series.name)) return FieldInvalid(series.field, "has a NUL");
  HP_ASSIGN_OR_RETURN(const Range range, ReadRange(request, device));
  HistoryQuery query{.device = device.id,
                     .name = series.name,
                     .from_ms = range.from_ms,
                     .until_ms = range.until_ms,
                     .newest_first = request.newest_first(),
                     .after = HistoryQuery::BeforeAll(request.newest_first()),
                     .limit = page.size + 1};
  if (page.behind.empty()) return query;
  HP_ASSIGN_OR_RETURN(query.after.received_ms, ReadNumberKey(page.behind[0]));
  HP_ASSIGN_OR_RETURN(query.after.id, ReadNumberKey(page.behind[1]));
  return query;
}

// One page of what `read` finds; `fill(row)` adds a row to the response.
template <typename Request, typename Response, typename Read, typename Fill>
absl::Status List(const ApiParts& parts, const auth::Claims& claims, const Request& request,
                  const SeriesName& series, Read read, Response& response, Fill fill) {
  HP_ASSIGN_OR_RETURN(const Page page, ReadPage(claims, request, kPages, kPlaceKeys));
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts.pool.Acquire());
  HP_ASSIGN_OR_RETURN(const DeviceRow device, FindOwned(*connection, claims, request.parent()));
  HP_ASSIGN_OR_RETURN(const HistoryQuery query, ReadQuery(request, device, series, page));
  HP_ASSIGN_OR_RETURN(auto rows, read(*connection, query));
  FillPage(page, rows, response, fill, [](const auto& row) {
    return std::vector{std::to_string(row.place.received_ms), std::to_string(row.place.id)};
  });
  return absl::OkStatus();
}

void Fill(const WindowRow& row, history::v1::Window& out) {
  *out.mutable_start_time() = ToTimestamp(row.start_ms);
  out.set_count(row.count);
  out.set_min(row.min);
  out.set_max(row.max);
  out.set_avg(row.avg);
  out.set_first(row.first);
  out.set_last(row.last);
  out.set_increase(row.increase);
}

void Fill(StoredValue row, history::v1::PropertyValue& out) {
  *out.mutable_receive_time() = ToTimestamp(row.place.received_ms);
  *out.mutable_report_time() = ToTimestamp(row.reported_ms);
  const auto value = json::Parse(row.value);
  if (!value.ok() || value->is_null()) return;
  if (value->is_object() || value->is_array() || value->IfUint64() != nullptr) {
    out.set_value_json(std::move(row.value));
  } else {
    FillValue(*value, *out.mutable_value());
  }
}

// Where the windows of a page begin, as asked for.
template <typename Request>
absl::StatusOr<int64_t> ReadFirstWindow(const Request& request, const Page& page) {
  if (!request.has_start_time()) return FieldInvalid("start_time", "required");
  if (page.behind.empty()) return ToMs(request.start_time());
  return ReadNumberKey(page.after());
}

template <typename Request, typename Response>
absl::Status Aggregate(const ApiParts& parts, const auth::Claims& claims, const Request& request,
                       const SeriesName& series, decltype(&ReadTelemetryWindows) read,
                       Response& response) {
  const int64_t window_ms =
      request.window().seconds() * 1000 + request.window().nanos() / 1'000'000;
  if (window_ms < 1000 || window_ms > kWindowMsMax)
    return FieldInvalid("window", "1 s to 366 days");
  if (series.name.empty() || !IsPlainText(series.name)) {
    return FieldInvalid(series.field, "required");
  }
  HP_ASSIGN_OR_RETURN(const Page page, ReadPage(claims, request, kPages));
  HP_ASSIGN_OR_RETURN(int64_t from_ms, ReadFirstWindow(request, page));
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts.pool.Acquire());
  HP_ASSIGN_OR_RETURN(const DeviceRow device, FindOwned(*connection, claims, request.parent()));
  HP_ASSIGN_OR_RETURN(const Range range, ReadRange(request, device));
  // Windows before the device was registered hold nothing that may be shown.
  if (from_ms < range.from_ms) from_ms += (range.from_ms - from_ms) / window_ms * window_ms;
  const int64_t until_ms = std::min(range.until_ms, from_ms + page.size * window_ms);
  HP_ASSIGN_OR_RETURN(const std::vector<WindowRow> windows,
                      read(*connection, {.device = device.id,
                                         .name = series.name,
                                         .from_ms = from_ms,
                                         .until_ms = until_ms,
                                         .window_ms = window_ms,
                                         .back_ms = kBackMs,
                                         .since_ms = device.created_ms - kSlackMs}));
  for (const WindowRow& row : windows) Fill(row, *response.add_windows());
  if (until_ms < range.until_ms) {
    response.set_next_page_token(MakePageToken(page.list, {std::to_string(until_ms)}));
  }
  return absl::OkStatus();
}

}  // namespace

grpc::Status HistoryService::ListTelemetry(grpc::ServerContext* context,
                                           const history::v1::ListTelemetryRequest* request,
                                           history::v1::ListTelemetryResponse* response) {
  const auto fill = [response](StoredTelemetry& row) {
    history::v1::Telemetry& out = *response->add_telemetry();
    *out.mutable_receive_time() = ToTimestamp(row.place.received_ms);
    out.set_channel(std::move(row.channel));
    out.set_payload(std::move(row.payload));
  };
  return Serve(parts_, "ListTelemetry", *context, kReaders, [&](const auth::Claims& claims) {
    return List(parts_, claims, *request, {"channel", request->channel()}, ReadTelemetry, *response,
                fill);
  });
}

grpc::Status HistoryService::ListEvents(grpc::ServerContext* context,
                                        const history::v1::ListEventsRequest* request,
                                        history::v1::ListEventsResponse* response) {
  const auto fill = [response](StoredEvent& row) {
    history::v1::Event& out = *response->add_events();
    *out.mutable_receive_time() = ToTimestamp(row.place.received_ms);
    *out.mutable_event_time() = ToTimestamp(row.event_ms);
    out.set_event(std::move(row.name));
    out.set_arguments_json(std::move(row.arguments));
  };
  return Serve(parts_, "ListEvents", *context, kReaders, [&](const auth::Claims& claims) {
    return List(parts_, claims, *request, {"event", request->event()}, ReadEvents, *response, fill);
  });
}

grpc::Status HistoryService::AggregateTelemetry(
    grpc::ServerContext* context, const history::v1::AggregateTelemetryRequest* request,
    history::v1::AggregateTelemetryResponse* response) {
  return Serve(parts_, "AggregateTelemetry", *context, kReaders, [&](const auth::Claims& claims) {
    return Aggregate(parts_, claims, *request, {"channel", request->channel()},
                     ReadTelemetryWindows, *response);
  });
}

grpc::Status HistoryService::AggregateProperty(grpc::ServerContext* context,
                                               const history::v1::AggregatePropertyRequest* request,
                                               history::v1::AggregatePropertyResponse* response) {
  return Serve(parts_, "AggregateProperty", *context, kReaders, [&](const auth::Claims& claims) {
    return Aggregate(parts_, claims, *request, {"property", request->property()},
                     ReadPropertyWindows, *response);
  });
}

grpc::Status HistoryService::ListPropertyValues(
    grpc::ServerContext* context, const history::v1::ListPropertyValuesRequest* request,
    history::v1::ListPropertyValuesResponse* response) {
  const auto fill = [response](StoredValue& row) {
    Fill(std::move(row), *response->add_property_values());
  };
  return Serve(parts_, "ListPropertyValues", *context, kReaders,
               [&](const auth::Claims& claims) -> absl::Status {
                 if (request->property().empty()) return FieldInvalid("property", "required");
                 return List(parts_, claims, *request, {"property", request->property()},
                             ReadPropertyValues, *response, fill);
               });
}

}  // namespace homeport::registry
