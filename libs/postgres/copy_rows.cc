#include "libs/postgres/copy_rows.h"

#include <bit>

#include "libs/base/check.h"

namespace homeport::postgres {
namespace {

// Signature, flags, length of the header's extension.
constexpr std::string_view kHeader("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19);
constexpr int64_t kMicrosFrom1970To2000 = 946'684'800'000'000;

template <typename Unsigned>
void PutBig(Unsigned value, std::string& out) {
  for (int shift = static_cast<int>(sizeof value * 8) - 8; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(value >> shift));
  }
}

}  // namespace

CopyRows::CopyRows(uint16_t columns) : columns_(columns), bytes_(kHeader) {}

void CopyRows::BeginField() {
  if (fields_++ % columns_ == 0) PutBig(columns_, bytes_);
}

void CopyRows::Integer(uint64_t value) {
  BeginField();
  PutBig(static_cast<uint32_t>(sizeof value), bytes_);
  PutBig(value, bytes_);
}

void CopyRows::Text(std::string_view text_or_bytes) {
  BeginField();
  PutBig(static_cast<uint32_t>(text_or_bytes.size()), bytes_);
  bytes_ += text_or_bytes;
}

void CopyRows::Int8(int64_t value) { Integer(static_cast<uint64_t>(value)); }

void CopyRows::Float8(double value) { Integer(std::bit_cast<uint64_t>(value)); }

// PostgreSQL counts microseconds from 2000 on.
void CopyRows::Timestamp(int64_t unix_ms) { Int8(unix_ms * 1000 - kMicrosFrom1970To2000); }

void CopyRows::Null() {
  BeginField();
  PutBig(uint32_t{0xFFFF'FFFF}, bytes_);
}

std::string_view CopyRows::Finish() {
  HP_CHECK(fields_ % columns_ == 0);
  PutBig(uint16_t{0xFFFF}, bytes_);
  return bytes_;
}

}  // namespace homeport::postgres
