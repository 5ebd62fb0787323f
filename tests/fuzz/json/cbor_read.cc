// Any bytes: they are refused, or what they hold survives writing and reading.
#include <cstddef>
#include <cstdint>
#include <string>

#include "libs/base/check.h"
#include "libs/json/cbor.h"
#include "libs/json/print.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using homeport::json::Value;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  Value value;
  if (!homeport::json::ReadCbor(bytes, {}, value)) return 0;
  std::string written;
  homeport::json::WriteCbor(value, written);
  Value again;
  HP_CHECK(homeport::json::ReadCbor(written, {.bytes_max = SIZE_MAX}, again));
  HP_CHECK(homeport::json::Print(again) == homeport::json::Print(value));
  return 0;
}
