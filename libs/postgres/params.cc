#include "libs/postgres/params.h"

#include <utility>

namespace homeport::postgres {
namespace {

// Number of dimensions, null flag, element type, length, lower bound: five 32-bit integers.
constexpr size_t kHeaderBytes = 20;
constexpr size_t kLengthOffset = 12;

void PutBig32(char* out, uint32_t value) {
  for (int i = 0; i < 4; ++i) out[i] = static_cast<char>(value >> (24 - 8 * i));
}

void PutBig64(char* out, uint64_t value) {
  for (int i = 0; i < 8; ++i) out[i] = static_cast<char>(value >> (56 - 8 * i));
}

}  // namespace

Array::Array(uint32_t element_oid) : bytes_(kHeaderBytes, '\0') {
  PutBig32(bytes_.data(), 1);
  PutBig32(bytes_.data() + 8, element_oid);
  PutBig32(bytes_.data() + 16, 1);
}

void Array::Add(std::string_view text_or_bytes) {
  char length[4];
  PutBig32(length, static_cast<uint32_t>(text_or_bytes.size()));
  bytes_.append(length, sizeof length).append(text_or_bytes);
  ++count_;
}

void Array::AddInt8(int64_t value) {
  char bytes[8];
  PutBig64(bytes, static_cast<uint64_t>(value));
  Add({bytes, sizeof bytes});
}

void Array::AddBool(bool value) {
  const char byte = value ? 1 : 0;
  Add({&byte, 1});
}

std::string Array::Finish() && {
  PutBig32(bytes_.data() + kLengthOffset, count_);
  return std::move(bytes_);
}

Params& Params::Text(std::string_view value) {
  values_.emplace_back(value);
  return *this;
}

Params& Params::Int8(int64_t value) {
  char bytes[8];
  PutBig64(bytes, static_cast<uint64_t>(value));
  values_.emplace_back(bytes, sizeof bytes);
  return *this;
}

Params& Params::Bool(bool value) {
  values_.emplace_back(1, value ? '\1' : '\0');
  return *this;
}

Params& Params::Add(Array array) {
  values_.push_back(std::move(array).Finish());
  return *this;
}

}  // namespace homeport::postgres
