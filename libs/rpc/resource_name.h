#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "libs/base/ids.h"

// Resource names of the gRPC API. `own_tenant` is the caller's, put in the place of "-". The error
// is INVALID_ARGUMENT NAME_INVALID; it says which form was expected.
namespace homeport::rpc {

struct DeviceName {
  TenantId tenant;
  DeviceId device;
};

struct ShadowName {
  TenantId tenant;
  DeviceId device;
  std::string shadow;  // empty: the classic shadow, "-" in a name
};

struct ProductName {
  TenantId tenant;
  ProductId product;
};

// A thing below a device or a tenant, with an id of 1-64 of [A-Za-z0-9_-].
struct DeviceChildName {
  TenantId tenant;
  DeviceId device;
  std::string id;
};
struct TenantChildName {
  TenantId tenant;
  std::string id;
};

// A live MQTT session, by its client id.
struct SessionName {
  TenantId tenant;
  std::string device;
  std::string client;
};

// "tenants/{tenant}"
[[nodiscard]] absl::StatusOr<TenantId> ParseTenantName(std::string_view name,
                                                       std::string_view own_tenant);
// "tenants/{tenant}/devices/{device}"
[[nodiscard]] absl::StatusOr<DeviceName> ParseDeviceName(std::string_view name,
                                                         std::string_view own_tenant);
// "tenants/{tenant}/devices/{device}/shadows/{shadow}"
[[nodiscard]] absl::StatusOr<ShadowName> ParseShadowName(std::string_view name,
                                                         std::string_view own_tenant);
// "tenants/{tenant}/products/{product}"
[[nodiscard]] absl::StatusOr<ProductName> ParseProductName(std::string_view name,
                                                           std::string_view own_tenant);

// "tenants/{tenant}/devices/{device}/<collection>/{id}"
[[nodiscard]] absl::StatusOr<DeviceChildName> ParseDeviceChildName(std::string_view name,
                                                                   std::string_view collection,
                                                                   std::string_view own_tenant);
// "tenants/{tenant}/<collection>/{id}"
[[nodiscard]] absl::StatusOr<TenantChildName> ParseTenantChildName(std::string_view name,
                                                                   std::string_view collection,
                                                                   std::string_view own_tenant);

// "tenants/{tenant}/devices/{device}/sessions/{client}", where bytes other than letters, digits and
// ":._~-" are %XX, and a client "-" is the device's main session, whose client id is the device id.
[[nodiscard]] absl::StatusOr<SessionName> ParseSessionName(std::string_view name,
                                                           std::string_view own_tenant);

[[nodiscard]] std::string FormatTenantChildName(std::string_view tenant,
                                                std::string_view collection, std::string_view id);
[[nodiscard]] std::string FormatDeviceName(std::string_view tenant, std::string_view device);
[[nodiscard]] std::string FormatShadowName(std::string_view tenant, std::string_view device,
                                           std::string_view shadow);
[[nodiscard]] std::string FormatSessionName(std::string_view tenant, std::string_view device,
                                            std::string_view client);
[[nodiscard]] std::string FormatProductName(std::string_view tenant, std::string_view product);

}  // namespace homeport::rpc
