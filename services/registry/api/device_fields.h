#pragma once

#include <google/protobuf/field_mask.pb.h>

#include "absl/status/status.h"
#include "homeport/device/v1/device.pb.h"
#include "services/registry/store/device_table.h"

namespace homeport::registry {

// Between device.v1.Device and a row of the table.

void FillDevice(const DeviceRow& row, device::v1::Device& out);

// Whether labels, attributes, groups, names are within their limits: INVALID_ARGUMENT FIELD_INVALID
// with the field, its path beginning with "device.".
[[nodiscard]] absl::Status CheckDevice(const device::v1::Device& device);

// Sets all that callers may set. REQUIRES: checked.
void CopyDevice(const device::v1::Device& device, DeviceRow& row);

// Sets what the mask names; without a mask, what is set. REQUIRES: checked.
[[nodiscard]] absl::Status MergeDevice(const device::v1::Device& device,
                                       const google::protobuf::FieldMask& mask, DeviceRow& row);

}  // namespace homeport::registry
