#include "libs/routing/envelope.h"

namespace homeport::routing {
namespace {

constexpr uint32_t kVarint = 0;
constexpr uint32_t kBytes = 2;

constexpr size_t VarintSize(uint64_t value) {
  size_t size = 1;
  for (; value >= 0x80; value >>= 7) ++size;
  return size;
}

// Field numbers below 16 have one-byte tags; the envelope has no others.
size_t IntSize(uint64_t value) { return value == 0 ? 0 : 1 + VarintSize(value); }
size_t TextSize(std::string_view text) {
  return text.empty() ? 0 : 1 + VarintSize(text.size()) + text.size();
}

void PutVarint(std::string& out, uint64_t value) {
  char bytes[10];
  size_t size = 0;
  for (; value >= 0x80; value >>= 7) bytes[size++] = static_cast<char>(value | 0x80);
  bytes[size++] = static_cast<char>(value);
  out.append(bytes, size);
}

void PutInt(std::string& out, uint32_t field, uint64_t value) {
  if (value == 0) return;
  out.push_back(static_cast<char>(field << 3 | kVarint));
  PutVarint(out, value);
}

void PutText(std::string& out, uint32_t field, std::string_view text) {
  if (text.empty()) return;
  out.push_back(static_cast<char>(field << 3 | kBytes));
  PutVarint(out, text.size());
  out.append(text);
}

}  // namespace

void AppendBatchMessage(std::string& batch, size_t size) {
  batch.push_back(static_cast<char>(4 << 3 | kBytes));
  PutVarint(batch, size);
}

void AppendUplink(std::string& batch, const Uplink& message) {
  const auto kind = static_cast<uint64_t>(message.kind);
  const auto received = static_cast<uint64_t>(message.received_ms);
  const size_t size =
      IntSize(kind) + TextSize(message.device) + IntSize(message.session) + IntSize(message.epoch) +
      IntSize(received) + TextSize(message.detail) + TextSize(message.payload) +
      IntSize(message.dup ? 1 : 0) + IntSize(message.correlation) + IntSize(message.cbor ? 1 : 0) +
      TextSize(message.client) + TextSize(message.hub) + IntSize(message.once ? 1 : 0);
  AppendBatchMessage(batch, size);
  PutInt(batch, 1, kind);
  PutText(batch, 2, message.device);
  PutInt(batch, 3, message.session);
  PutInt(batch, 4, message.epoch);
  PutInt(batch, 5, received);
  PutText(batch, 6, message.detail);
  PutText(batch, 7, message.payload);
  PutInt(batch, 8, message.dup ? 1 : 0);
  PutInt(batch, 9, message.correlation);
  PutInt(batch, 10, message.cbor ? 1 : 0);
  PutText(batch, 11, message.client);
  PutText(batch, 12, message.hub);
  PutInt(batch, 13, message.once ? 1 : 0);
}

void AppendBatchTail(std::string& batch, std::string_view pod, uint64_t sequence) {
  PutInt(batch, 1, 1);
  PutText(batch, 2, pod);
  PutInt(batch, 3, sequence);
}

}  // namespace homeport::routing
