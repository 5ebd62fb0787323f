#include "services/registry/api/device_fields.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "libs/base/ascii.h"
#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/json/utf8.h"
#include "libs/rpc/resource_name.h"
#include "services/registry/api/convert.h"
#include "services/registry/api/field_mask.h"

namespace homeport::registry {
namespace {

using device::v1::Device;
using Map = google::protobuf::Map<std::string, std::string>;

constexpr size_t kNameBytesMax = 256;
constexpr size_t kFirmwareBytesMax = 64;
constexpr size_t kGroupsMax = 32;
constexpr size_t kGroupBytesMax = 128;
constexpr size_t kMapsBytesMax = 16 * 1024;

// 1 to `bytes_max` of letters, digits and `others`.
bool IsWord(std::string_view text, size_t bytes_max, std::string_view others) {
  return !text.empty() && text.size() <= bytes_max &&
         std::all_of(text.begin(), text.end(), [others](char c) {
           return IsAlphanumeric(c) || others.find(c) != std::string_view::npos;
         });
}

bool IsText(std::string_view text, size_t bytes_max) {
  return text.size() <= bytes_max && json::IsUtf8(text) &&
         std::none_of(text.begin(), text.end(),
                      [](char c) { return static_cast<unsigned char>(c) < 0x20; });
}

struct MapLimits {
  std::string_view field;
  size_t entries_max;
  size_t key_bytes_max;
  std::string_view key_others;
  size_t value_bytes_max;
};
constexpr MapLimits kLabels = {"device.labels", 64, 63, "_.-", 128};
constexpr MapLimits kAttributes = {"device.attributes", 64, 128, "_.,@/:#-", 1024};

absl::Status CheckMap(const Map& map, const MapLimits& limits, size_t& bytes) {
  if (map.size() > limits.entries_max) {
    return FieldInvalid(limits.field, fmt::format("at most {} entries", limits.entries_max));
  }
  for (const auto& [key, value] : map) {
    if (!IsWord(key, limits.key_bytes_max, limits.key_others)) {
      return FieldInvalid(limits.field, fmt::format("a key is 1-{} of [A-Za-z0-9{}]",
                                                    limits.key_bytes_max, limits.key_others));
    }
    if (!IsText(value, limits.value_bytes_max)) {
      return FieldInvalid(fmt::format("{}[{}]", limits.field, key),
                          fmt::format("at most {} bytes of plain text", limits.value_bytes_max));
    }
    bytes += key.size() + value.size();
  }
  return absl::OkStatus();
}

StringMap ToMap(const Map& map) { return {map.begin(), map.end()}; }

std::vector<std::string> ToGroups(const Device& device) {
  std::vector<std::string> groups(device.groups().begin(), device.groups().end());
  std::sort(groups.begin(), groups.end());
  groups.erase(std::unique(groups.begin(), groups.end()), groups.end());
  return groups;
}

// labels.<key>: sets it, or removes it where the device of the request has none.
void MergeKey(const Map& given, const std::string& key, StringMap& map) {
  const auto found = given.find(key);
  if (found == given.end()) {
    map.erase(key);
  } else {
    map[key] = found->second;
  }
}

constexpr UpdateField<Device, DeviceRow> kFields[] = {
    {"display_name", [](const Device& device) { return !device.display_name().empty(); },
     [](const Device& device, DeviceRow& row) { row.display_name = device.display_name(); }},
    {"firmware_version", [](const Device& device) { return !device.firmware_version().empty(); },
     [](const Device& device, DeviceRow& row) {
       row.firmware_version = device.firmware_version();
     }},
    {"labels", [](const Device& device) { return !device.labels().empty(); },
     [](const Device& device, DeviceRow& row) { row.labels = ToMap(device.labels()); }},
    {"attributes", [](const Device& device) { return !device.attributes().empty(); },
     [](const Device& device, DeviceRow& row) { row.attributes = ToMap(device.attributes()); }},
    {"groups", [](const Device& device) { return !device.groups().empty(); },
     [](const Device& device, DeviceRow& row) { row.groups = ToGroups(device); }},
};

// Whether `path` is of one key of a map; then that is merged.
bool MergeKeyOf(const Device& device, std::string_view path, DeviceRow& row) {
  constexpr std::string_view kLabel = "labels.", kAttribute = "attributes.";
  if (path.starts_with(kLabel)) {
    MergeKey(device.labels(), std::string(path.substr(kLabel.size())), row.labels);
    return true;
  }
  if (!path.starts_with(kAttribute)) return false;
  MergeKey(device.attributes(), std::string(path.substr(kAttribute.size())), row.attributes);
  return true;
}

Device::State StateOf(const DeviceRow& row) {
  if (row.retired) return Device::RETIRED;
  if (row.disabled) return Device::DISABLED;
  return row.presence_ms == 0 ? Device::PROVISIONED : Device::ACTIVE;
}

// Merged maps may have grown beyond what a request can hold.
absl::Status CheckSizes(const DeviceRow& row) {
  size_t bytes = 0;
  for (const StringMap* map : {&row.labels, &row.attributes}) {
    for (const auto& [key, value] : *map) bytes += key.size() + value.size();
  }
  if (row.labels.size() > kLabels.entries_max) {
    return FieldInvalid(kLabels.field, fmt::format("at most {} entries", kLabels.entries_max));
  }
  if (row.attributes.size() > kAttributes.entries_max || bytes > kMapsBytesMax) {
    return FieldInvalid(kAttributes.field,
                        fmt::format("at most {} entries, {} bytes in all with the labels",
                                    kAttributes.entries_max, kMapsBytesMax));
  }
  return absl::OkStatus();
}

}  // namespace

void FillDevice(const DeviceRow& row, Device& out) {
  out.set_name(rpc::FormatDeviceName(row.tenant, row.id));
  out.set_product(rpc::FormatProductName(row.tenant, row.product));
  out.set_online(row.online);
  if (row.presence_ms > 0) *out.mutable_presence_time() = ToTimestamp(row.presence_ms);
  *out.mutable_create_time() = ToTimestamp(row.created_ms);
  out.set_display_name(row.display_name);
  out.set_state(StateOf(row));
  if (!row.labels.empty()) out.mutable_labels()->insert(row.labels.begin(), row.labels.end());
  if (!row.attributes.empty())
    out.mutable_attributes()->insert(row.attributes.begin(), row.attributes.end());
  for (const std::string& group : row.groups) out.add_groups(group);
  out.set_firmware_version(row.firmware_version);
  *out.mutable_update_time() = ToTimestamp(row.updated_ms);
  out.set_etag(std::to_string(row.version));
  out.set_sdk(row.sdk);
  if (!row.deleted()) return;
  *out.mutable_delete_time() = ToTimestamp(row.deleted_ms);
  *out.mutable_purge_time() = ToTimestamp(row.purge_ms);
}

absl::Status CheckDevice(const Device& device) {
  size_t bytes = 0;
  HP_RETURN_IF_ERROR(CheckMap(device.labels(), kLabels, bytes));
  HP_RETURN_IF_ERROR(CheckMap(device.attributes(), kAttributes, bytes));
  if (bytes > kMapsBytesMax) {
    return FieldInvalid(kAttributes.field,
                        fmt::format("at most {} bytes in all with the labels", kMapsBytesMax));
  }
  if (!IsText(device.display_name(), kNameBytesMax)) {
    return FieldInvalid("device.display_name", "at most 256 bytes of plain text");
  }
  const std::string& firmware = device.firmware_version();
  if (!IsText(firmware, kFirmwareBytesMax) ||
      std::any_of(firmware.begin(), firmware.end(),
                  [](char c) { return static_cast<unsigned char>(c) > 0x7E; })) {
    return FieldInvalid("device.firmware_version", "at most 64 printable ASCII characters");
  }
  if (static_cast<size_t>(device.groups_size()) > kGroupsMax) {
    return FieldInvalid("device.groups", fmt::format("at most {}", kGroupsMax));
  }
  for (int i = 0; i < device.groups_size(); ++i) {
    if (IsWord(device.groups(i), kGroupBytesMax, "_.:/-")) continue;
    return FieldInvalid(fmt::format("device.groups[{}]", i), "1-128 of [A-Za-z0-9_.:/-]");
  }
  return absl::OkStatus();
}

void CopyDevice(const Device& device, DeviceRow& row) { CopyFields(device, kFields, row); }

absl::Status MergeDevice(const Device& device, const google::protobuf::FieldMask& mask,
                         DeviceRow& row) {
  google::protobuf::FieldMask whole;  // without those of single keys
  for (const std::string& path : mask.paths()) {
    if (!MergeKeyOf(device, path, row)) whole.add_paths(path);
  }
  if (mask.paths().empty() || !whole.paths().empty()) {
    HP_RETURN_IF_ERROR(MergeFields(device, whole, kFields, row));
  }
  return CheckSizes(row);
}

}  // namespace homeport::registry
