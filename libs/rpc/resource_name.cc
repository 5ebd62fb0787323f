#include "libs/rpc/resource_name.h"

#include <fmt/compile.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "libs/base/ascii.h"
#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"

namespace homeport::rpc {
namespace {

constexpr std::string_view kOwn = "-";
constexpr std::string_view kClassicShadow = "-";

absl::Status NameInvalid(std::string_view name, std::string_view form) {
  constexpr size_t kShownBytesMax = 128;
  return ErrorWithReason(
      absl::StatusCode::kInvalidArgument, "NAME_INVALID",
      fmt::format("name \"{}\" is not of the form {}", Shortened(name, kShownBytesMax), form));
}

// Takes "<collection>/{id}" and a following '/' off the front of `rest`.
std::optional<std::string_view> TakeId(std::string_view& rest, std::string_view collection) {
  if (rest.substr(0, collection.size()) != collection) return std::nullopt;
  rest.remove_prefix(collection.size());
  if (rest.empty() || rest.front() != '/') return std::nullopt;
  rest.remove_prefix(1);
  const size_t end = rest.find('/');
  const std::string_view id = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  if (id.empty() || (end != std::string_view::npos && rest.empty())) return std::nullopt;
  return id;
}

std::optional<TenantId> TakeTenant(std::string_view& rest, std::string_view own_tenant) {
  const std::optional<std::string_view> id = TakeId(rest, "tenants");
  if (!id.has_value()) return std::nullopt;
  const std::string_view tenant = *id == kOwn ? own_tenant : *id;
  if (!IsValidTenantId(tenant)) return std::nullopt;
  return TenantId(tenant);
}

std::optional<DeviceName> TakeDevice(std::string_view& rest, std::string_view own_tenant) {
  const std::optional<TenantId> tenant = TakeTenant(rest, own_tenant);
  if (!tenant.has_value()) return std::nullopt;
  const std::optional<std::string_view> id = TakeId(rest, "devices");
  if (!id.has_value() || !IsValidDeviceId(*id)) return std::nullopt;
  return DeviceName{*tenant, DeviceId(*id)};
}

constexpr size_t kChildIdBytesMax = 64;

bool IsChildId(std::string_view id) {
  return id.size() <= kChildIdBytesMax && std::all_of(id.begin(), id.end(), [](char c) {
           return IsAlphanumeric(c) || c == '_' || c == '-';
         });
}

constexpr std::string_view kMainClient = "-";
constexpr size_t kClientBytesMax = 128;

bool IsUnescaped(char c) {
  constexpr std::string_view kMarks = ":._~-";
  return IsAlphanumeric(c) || kMarks.find(c) != std::string_view::npos;
}

// Nothing where it is empty, too long or not of the form.
std::optional<std::string> Unescape(std::string_view text) {
  std::string bytes;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      if (!IsUnescaped(text[i])) return std::nullopt;
      bytes.push_back(text[i]);
      continue;
    }
    const int high = i + 2 < text.size() ? HexDigit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? HexDigit(text[i + 2]) : -1;
    if (high < 0 || low < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(high << 4 | low));
    i += 2;
  }
  if (bytes.empty() || bytes.size() > kClientBytesMax) return std::nullopt;
  return bytes;
}

std::string Escape(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    if (IsUnescaped(c)) {
      text.push_back(c);
    } else {
      text += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return text;
}

}  // namespace

absl::StatusOr<TenantId> ParseTenantName(std::string_view name, std::string_view own_tenant) {
  std::string_view rest = name;
  const std::optional<TenantId> tenant = TakeTenant(rest, own_tenant);
  if (!tenant.has_value() || !rest.empty()) return NameInvalid(name, "tenants/{tenant}");
  return *tenant;
}

absl::StatusOr<DeviceName> ParseDeviceName(std::string_view name, std::string_view own_tenant) {
  std::string_view rest = name;
  const std::optional<DeviceName> device = TakeDevice(rest, own_tenant);
  if (!device.has_value() || !rest.empty()) {
    return NameInvalid(name, "tenants/{tenant}/devices/{device}");
  }
  return *device;
}

absl::StatusOr<ShadowName> ParseShadowName(std::string_view name, std::string_view own_tenant) {
  constexpr std::string_view kForm = "tenants/{tenant}/devices/{device}/shadows/{shadow}";
  std::string_view rest = name;
  const std::optional<DeviceName> device = TakeDevice(rest, own_tenant);
  if (!device.has_value()) return NameInvalid(name, kForm);
  const std::optional<std::string_view> shadow = TakeId(rest, "shadows");
  if (!shadow.has_value() || !rest.empty() || !IsValidShadowName(*shadow)) {
    return NameInvalid(name, kForm);
  }
  return ShadowName{device->tenant, device->device,
                    std::string(*shadow == kClassicShadow ? std::string_view() : *shadow)};
}

absl::StatusOr<ProductName> ParseProductName(std::string_view name, std::string_view own_tenant) {
  constexpr std::string_view kForm = "tenants/{tenant}/products/{product}";
  std::string_view rest = name;
  const std::optional<TenantId> tenant = TakeTenant(rest, own_tenant);
  if (!tenant.has_value()) return NameInvalid(name, kForm);
  const std::optional<std::string_view> product = TakeId(rest, "products");
  if (!product.has_value() || !rest.empty() || !IsValidProductId(*product)) {
    return NameInvalid(name, kForm);
  }
  return ProductName{*tenant, ProductId(*product)};
}

absl::StatusOr<DeviceChildName> ParseDeviceChildName(std::string_view name,
                                                     std::string_view collection,
                                                     std::string_view own_tenant) {
  std::string_view rest = name;
  const std::optional<DeviceName> device = TakeDevice(rest, own_tenant);
  const std::optional<std::string_view> id =
      device.has_value() ? TakeId(rest, collection) : std::nullopt;
  if (!id.has_value() || !rest.empty() || !IsChildId(*id)) {
    return NameInvalid(name,
                       fmt::format("tenants/{{tenant}}/devices/{{device}}/{}/{{id}}", collection));
  }
  return DeviceChildName{device->tenant, device->device, std::string(*id)};
}

absl::StatusOr<TenantChildName> ParseTenantChildName(std::string_view name,
                                                     std::string_view collection,
                                                     std::string_view own_tenant) {
  std::string_view rest = name;
  const std::optional<TenantId> tenant = TakeTenant(rest, own_tenant);
  const std::optional<std::string_view> id =
      tenant.has_value() ? TakeId(rest, collection) : std::nullopt;
  if (!id.has_value() || !rest.empty() || !IsChildId(*id)) {
    return NameInvalid(name, fmt::format("tenants/{{tenant}}/{}/{{id}}", collection));
  }
  return TenantChildName{*tenant, std::string(*id)};
}

absl::StatusOr<SessionName> ParseSessionName(std::string_view name, std::string_view own_tenant) {
  constexpr std::string_view kForm = "tenants/{tenant}/devices/{device}/sessions/{client}";
  std::string_view rest = name;
  const std::optional<TenantId> tenant = TakeTenant(rest, own_tenant);
  if (!tenant.has_value()) return NameInvalid(name, kForm);
  const std::optional<std::string_view> device_text = TakeId(rest, "devices");
  const std::optional<std::string_view> client_text = TakeId(rest, "sessions");
  if (!device_text.has_value() || !client_text.has_value() || !rest.empty()) {
    return NameInvalid(name, kForm);
  }
  std::optional<std::string> device = Unescape(*device_text);
  std::optional<std::string> client = *client_text == kMainClient ? device : Unescape(*client_text);
  if (!device.has_value() || !client.has_value()) return NameInvalid(name, kForm);
  return SessionName{*tenant, *std::move(device), *std::move(client)};
}

std::string FormatTenantChildName(std::string_view tenant, std::string_view collection,
                                  std::string_view id) {
  return fmt::format("tenants/{}/{}/{}", tenant, collection, id);
}

std::string FormatDeviceName(std::string_view tenant, std::string_view device) {
  return fmt::format(FMT_COMPILE("tenants/{}/devices/{}"), tenant, device);
}

std::string FormatShadowName(std::string_view tenant, std::string_view device,
                             std::string_view shadow) {
  return fmt::format("tenants/{}/devices/{}/shadows/{}", tenant, device,
                     shadow.empty() ? kClassicShadow : shadow);
}

std::string FormatSessionName(std::string_view tenant, std::string_view device,
                              std::string_view client) {
  std::string id(kMainClient);
  if (client == kMainClient && client != device) {
    id = "%2D";
  } else if (client != device) {
    id = Escape(client);
  }
  return fmt::format("tenants/{}/devices/{}/sessions/{}", tenant, Escape(device), id);
}

std::string FormatProductName(std::string_view tenant, std::string_view product) {
  return fmt::format(FMT_COMPILE("tenants/{}/products/{}"), tenant, product);
}

}  // namespace homeport::rpc
