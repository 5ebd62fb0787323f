// The changes of one device: UpdateDevice and the verbs.
#include <utility>

#include "libs/base/clock.h"
#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/routing/keys.h"
#include "services/registry/api/convert.h"
#include "services/registry/api/device_fields.h"
#include "services/registry/api/device_service.h"
#include "services/registry/device_removal.h"
#include "services/registry/store/partition_table.h"
#include "services/registry/store/session_table.h"
#include "services/registry/store/tenant_table.h"

namespace homeport::registry {
namespace {

const std::initializer_list<std::string_view> kWriters = {"operator"};
constexpr uint32_t kAdministrativeAction = 0x98;  // MQTT 5 reason code
constexpr int64_t kDayMs = 86'400'000;

absl::Status Unfit(std::string_view reason, std::string_view message) {
  return ErrorWithReason(absl::StatusCode::kFailedPrecondition, reason, message);
}

absl::Status NotDeleted(const DeviceRow& row) {
  if (!row.deleted()) return absl::OkStatus();
  return Unfit("DEVICE_DELETED", fmt::format("device {} is deleted", row.id));
}

// The name and the etag stand in the device for UpdateDevice, in the request for the verbs.
const device::v1::Device& TargetOf(const device::v1::UpdateDeviceRequest& request) {
  return request.device();
}
template <typename Request>
const Request& TargetOf(const Request& request) {
  return request;
}

size_t SlotOf(const std::string& device) { return std::hash<std::string>{}(device); }

}  // namespace

template <typename Request>
grpc::Status DeviceService::ChangeDevice(std::string_view method,
                                         const grpc::ServerContext& context, const Request& request,
                                         device::v1::Device& response, const Step& step) {
  const auto change = [&](const auth::Claims& claims) -> absl::Status {
    HP_ASSIGN_OR_RETURN(const rpc::DeviceName name,
                        ReadDeviceName(claims, TargetOf(request).name()));
    HP_ASSIGN_OR_RETURN(const int64_t version, ReadEtag(TargetOf(request).etag(), "ETAG_MISMATCH"));
    HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
    const auto write = [&](postgres::Transaction& transaction,
                           device::v1::Device& changed) -> absl::Status {
      HP_ASSIGN_OR_RETURN(DeviceRow row,
                          LockDevice(transaction, name.tenant, name.device, version));
      const std::string before = AuditText(row);
      HP_RETURN_IF_ERROR(step(transaction, row));
      HP_ASSIGN_OR_RETURN(row, WriteDevice(transaction, row));
      FillDevice(row, changed);
      return Audit(transaction, ActorOf(claims), method, "devices/" + row.id,
                   {.before = before, .after = AuditText(row)});
    };
    HP_RETURN_IF_ERROR(Change(*connection, ActorOf(claims), method, request, response, write));
    return method == "UpdateDevice" ? absl::OkStatus() : Settle(*connection, name.device);
  };
  return Serve(parts_, method, context, kWriters, change);
}

absl::Status DeviceService::Settle(postgres::Connection& connection, const DeviceId& device) {
  using Blocked = StreamAppender::Blocked;
  const absl::StatusOr<DeviceRow> row = FindDevice(connection, device);
  if (absl::IsNotFound(row.status())) return appender_.SetBlocked(device.str(), Blocked::kNo);
  HP_RETURN_IF_ERROR(row.status());
  HP_RETURN_IF_ERROR(appender_.SetBlocked(row->id, row->blocked() ? Blocked::kYes : Blocked::kNo));
  // Whether a hub may speak for it, too.
  HP_RETURN_IF_ERROR(
      RaiseGeneration(connection, routing::PartitionOf(row->id, options_.partitions)));
  if (!row->blocked()) return absl::OkStatus();
  HP_ASSIGN_OR_RETURN(const std::vector<StoredSession> sessions,
                      FindSessionsOfDevice(connection, row->id));
  for (const StoredSession& session : sessions) {
    internal::v1::InboxItem item;
    item.mutable_kick()->set_session(session.session);
    item.mutable_kick()->set_epoch(session.epoch);
    item.mutable_kick()->set_reason(kAdministrativeAction);
    HP_RETURN_IF_ERROR(appender_.AppendInbox(session.pod, item));
  }
  return absl::OkStatus();
}

grpc::Status DeviceService::UpdateDevice(grpc::ServerContext* context,
                                         const device::v1::UpdateDeviceRequest* request,
                                         device::v1::Device* response) {
  return ChangeDevice("UpdateDevice", *context, *request, *response,
                      [request](postgres::Transaction&, DeviceRow& row) -> absl::Status {
                        HP_RETURN_IF_ERROR(NotDeleted(row));
                        HP_RETURN_IF_ERROR(CheckDevice(request->device()));
                        return MergeDevice(request->device(), request->update_mask(), row);
                      });
}

grpc::Status DeviceService::DisableDevice(grpc::ServerContext* context,
                                          const device::v1::DisableDeviceRequest* request,
                                          device::v1::Device* response) {
  return ChangeDevice("DisableDevice", *context, *request, *response,
                      [](postgres::Transaction&, DeviceRow& row) -> absl::Status {
                        HP_RETURN_IF_ERROR(NotDeleted(row));
                        row.disabled = true;
                        return absl::OkStatus();
                      });
}

grpc::Status DeviceService::EnableDevice(grpc::ServerContext* context,
                                         const device::v1::EnableDeviceRequest* request,
                                         device::v1::Device* response) {
  return ChangeDevice("EnableDevice", *context, *request, *response,
                      [](postgres::Transaction&, DeviceRow& row) -> absl::Status {
                        HP_RETURN_IF_ERROR(NotDeleted(row));
                        if (row.retired) {
                          return Unfit("DEVICE_RETIRED",
                                       fmt::format("device {} is retired for good", row.id));
                        }
                        row.disabled = false;
                        return absl::OkStatus();
                      });
}

grpc::Status DeviceService::RetireDevice(grpc::ServerContext* context,
                                         const device::v1::RetireDeviceRequest* request,
                                         device::v1::Device* response) {
  return ChangeDevice("RetireDevice", *context, *request, *response,
                      [](postgres::Transaction&, DeviceRow& row) -> absl::Status {
                        HP_RETURN_IF_ERROR(NotDeleted(row));
                        row.disabled = true;
                        row.retired = true;
                        return absl::OkStatus();
                      });
}

grpc::Status DeviceService::DeleteDevice(grpc::ServerContext* context,
                                         const device::v1::DeleteDeviceRequest* request,
                                         device::v1::Device* response) {
  return ChangeDevice("DeleteDevice", *context, *request, *response,
                      [this](postgres::Transaction& transaction, DeviceRow& row) -> absl::Status {
                        HP_RETURN_IF_ERROR(NotDeleted(row));
                        row.deleted_ms = SystemClock().Wall().value;
                        row.purge_ms = row.deleted_ms + options_.purge_days * kDayMs;
                        return CountDevices(transaction, row.tenant, -1, SlotOf(row.id));
                      });
}

grpc::Status DeviceService::UndeleteDevice(grpc::ServerContext* context,
                                           const device::v1::UndeleteDeviceRequest* request,
                                           device::v1::Device* response) {
  return ChangeDevice(
      "UndeleteDevice", *context, *request, *response,
      [](postgres::Transaction& transaction, DeviceRow& row) -> absl::Status {
        if (!row.deleted()) {
          return Unfit("DEVICE_NOT_DELETED", fmt::format("device {} is not deleted", row.id));
        }
        HP_ASSIGN_OR_RETURN(const int64_t left, DevicesLeft(transaction, row.tenant));
        if (left == 0) return QuotaExceeded(row.tenant, "devices");
        row.deleted_ms = 0;
        row.purge_ms = 0;
        return CountDevices(transaction, row.tenant, 1, SlotOf(row.id));
      });
}

grpc::Status DeviceService::PurgeDevice(grpc::ServerContext* context,
                                        const device::v1::PurgeDeviceRequest* request,
                                        device::v1::PurgeDeviceResponse* response) {
  return Serve(parts_, "PurgeDevice", *context, kWriters,
               [&](const auth::Claims& claims) { return Purge(claims, *request, *response); });
}

absl::Status DeviceService::Purge(const auth::Claims& claims,
                                  const device::v1::PurgeDeviceRequest& request,
                                  device::v1::PurgeDeviceResponse& response) {
  HP_ASSIGN_OR_RETURN(const rpc::DeviceName name, ReadDeviceName(claims, request.name()));
  HP_ASSIGN_OR_RETURN(const int64_t version, ReadEtag(request.etag(), "ETAG_MISMATCH"));
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  const absl::StatusOr<DeviceRow> found = FindDevice(*connection, name.tenant, name.device);
  if (found.ok() && (version == 0 || version == found->version)) {
    HP_RETURN_IF_ERROR(PrepareRemoval(*connection, appender_, *found));
  }
  const auto purge = [&](postgres::Transaction& transaction,
                         device::v1::PurgeDeviceResponse&) -> absl::Status {
    HP_RETURN_IF_ERROR(
        RaiseGeneration(transaction, routing::PartitionOf(name.device.str(), options_.partitions)));
    HP_ASSIGN_OR_RETURN(const DeviceRow row,
                        LockDevice(transaction, name.tenant, name.device, version));
    if (!row.deleted()) {
      return Unfit("DEVICE_NOT_DELETED", fmt::format("delete device {} first", row.id));
    }
    HP_RETURN_IF_ERROR(RemoveDevice(transaction, row.id));
    return Audit(transaction, ActorOf(claims), "PurgeDevice", "devices/" + row.id,
                 {.before = AuditText(row), .after = {}});
  };
  HP_RETURN_IF_ERROR(Change(*connection, ActorOf(claims), "PurgeDevice", request, response, purge));
  return Settle(*connection, name.device);
}

}  // namespace homeport::registry
