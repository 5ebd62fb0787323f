#include "libs/tls13/record_layer.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <utility>

#include "libs/base/check.h"

namespace homeport::tls13 {
namespace {

constexpr uint8_t kUselessRecordsMax = 32;
constexpr size_t kInnerBytesMin = 1;                 // the content type
constexpr uint8_t kKeyUpdateHead[] = {24, 0, 0, 1};  // the message's type and length
constexpr uint8_t kUpdateNotRequested = 0;
constexpr uint8_t kUpdateRequested = 1;
constexpr uint8_t kAlertFatal = 2;
constexpr uint8_t kAlertWarning = 1;

struct Nonce {
  std::array<uint8_t, kIvBytes> bytes;
};

// The IV with the sequence number, 64 bits from the right, XORed in (RFC 8446, 5.3).
Nonce NonceOf(const uint8_t* iv, uint64_t sequence) {
  Nonce nonce;
  std::copy_n(iv, kIvBytes, nonce.bytes.begin());
  for (size_t i = 0; i < sizeof sequence; ++i) {
    nonce.bytes[kIvBytes - 1 - i] ^= static_cast<uint8_t>(sequence >> (8 * i));
  }
  return nonce;
}

size_t LengthOf(std::span<const char> header) {
  return size_t{static_cast<uint8_t>(header[3])} << 8 | static_cast<uint8_t>(header[4]);
}

std::span<const uint8_t> Bytes(std::span<const char> text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

}  // namespace

size_t RecordLayer::HeapBytes(Suite suite) {
  return sizeof(RecordLayer) + 2 * DirectionBytes(suite);
}

RecordLayer::Ptr RecordLayer::Make(Engine& engine, const Start& start) {
  HP_CHECK(start.client_secret.size() == SecretBytes(start.suite));
  HP_CHECK(start.server_secret.size() == SecretBytes(start.suite));
  void* place = ::operator new(HeapBytes(start.suite));
  Ptr layer(new (place) RecordLayer(engine, start));
  std::copy(start.client_secret.begin(), start.client_secret.end(),
            layer->Reading().secret.begin());
  std::copy(start.server_secret.begin(), start.server_secret.end(),
            layer->Writing().secret.begin());
  const bool derived = layer->DeriveKeys(layer->Reading()) && layer->DeriveKeys(layer->Writing());
  return derived ? std::move(layer) : nullptr;
}

void RecordLayer::Deleter::operator()(RecordLayer* layer) const {
  layer->~RecordLayer();
  ::operator delete(layer);
}

RecordLayer::~RecordLayer() {
  OPENSSL_cleanse(Reading().secret.data(), 2 * DirectionBytes(suite_));
  engine_.Forget();
}

RecordLayer::Direction RecordLayer::At(size_t offset) {
  uint8_t* secret = reinterpret_cast<uint8_t*>(this + 1) + offset;
  uint8_t* key = secret + SecretBytes(suite_);
  return {{secret, SecretBytes(suite_)}, key, key + KeyBytes(suite_)};
}

bool RecordLayer::DeriveKeys(const Direction& direction) {
  return engine_.ExpandLabel(suite_, direction.secret, "key", {direction.key, KeyBytes(suite_)}) &&
         engine_.ExpandLabel(suite_, direction.secret, "iv", {direction.iv, kIvBytes});
}

bool RecordLayer::NextKeys(const Direction& direction) {
  return engine_.ExpandLabel(suite_, direction.secret, "traffic upd", direction.secret) &&
         DeriveKeys(direction);
}

// ---- in ----

void RecordLayer::TakePartial(char* buffer) {
  if (partial_bytes() == 0) return;
  kept_->partial.copy(buffer, partial_bytes());
  kept_->partial = std::string();
  TrimKept();
}

size_t RecordLayer::Open(std::span<char> bytes) {
  HP_CHECK(state_ == State::kOpen);
  char* const front = bytes.data();
  size_t text_bytes = 0;
  bool keyed = false;
  while (state_ == State::kOpen && bytes.size() >= kHeaderBytes) {
    if (static_cast<ContentType>(bytes[0]) != ContentType::kApplicationData) {
      Fail(Alert::kUnexpectedMessage);
      break;
    }
    const size_t length = LengthOf(bytes);
    if (length > kCiphertextBytesMax) {
      Fail(Alert::kRecordOverflow);
      break;
    }
    if (bytes.size() < kHeaderBytes + length) break;
    if (!keyed && !engine_.SetKey(Engine::Use::kOpen, suite_, Reading().key)) {
      Fail(Alert::kInternalError);
      break;
    }
    const uint64_t sequence = read_sequence_;
    const std::span<char> text = OpenRecord(bytes.first(kHeaderBytes + length));
    keyed = read_sequence_ > sequence;  // not after a change of keys
    if (!text.empty()) std::memmove(front + text_bytes, text.data(), text.size());
    text_bytes += text.size();
    bytes = bytes.subspan(kHeaderBytes + length);
  }
  if (state_ == State::kOpen && !bytes.empty()) Keep().partial.assign(bytes.data(), bytes.size());
  return text_bytes;
}

std::span<char> RecordLayer::OpenRecord(std::span<char> record) {
  const std::span<char> header = record.first(kHeaderBytes);
  std::span<char> body = record.subspan(kHeaderBytes);
  const Nonce nonce = NonceOf(Reading().iv, read_sequence_);
  if (body.size() < kTagBytes + kInnerBytesMin ||
      !engine_.Open(suite_, nonce.bytes.data(), Bytes(header),
                    {reinterpret_cast<uint8_t*>(body.data()), body.size()})) {
    Fail(Alert::kBadRecordMac);
    return {};
  }
  ++read_sequence_;
  body = body.first(body.size() - kTagBytes);
  if (body.size() > kPlaintextBytesMax + kInnerBytesMin) {
    Fail(Alert::kRecordOverflow);
    return {};
  }
  while (!body.empty() && body.back() == 0) body = body.first(body.size() - 1);  // padding
  if (body.empty()) {
    Fail(Alert::kUnexpectedMessage);
    return {};
  }
  const auto type = static_cast<ContentType>(body.back());
  body = body.first(body.size() - 1);
  if (type != ContentType::kHandshake && handshake_bytes_ != 0) {
    Fail(Alert::kUnexpectedMessage);
    return {};
  }
  switch (type) {
    case ContentType::kApplicationData:
      if (body.empty()) {
        CountUseless();
      } else {
        useless_records_ = 0;
      }
      return body;
    case ContentType::kHandshake:
      OnHandshake(body);
      return {};
    case ContentType::kAlert:
      OnAlert(body);
      return {};
  }
  Fail(Alert::kUnexpectedMessage);
  return {};
}

// An alert has a record of its own (RFC 8446, 5.1).
void RecordLayer::OnAlert(std::span<const char> body) {
  if (body.empty()) return Fail(Alert::kUnexpectedMessage);
  if (body.size() != 2) return Fail(Alert::kDecodeError);
  switch (static_cast<Alert>(body[1])) {
    case Alert::kCloseNotify:
      state_ = State::kPeerClosed;
      return;
    case Alert::kUserCanceled:
      return CountUseless();  // close_notify follows
    default:
      state_ = State::kFailed;
      silent_ = true;
  }
}

// KeyUpdate is the only handshake message a client may send without having been asked. It may come
// in pieces, and must end its record since what follows has another key.
void RecordLayer::OnHandshake(std::span<const char> body) {
  if (body.empty()) return Fail(Alert::kUnexpectedMessage);
  CountUseless();
  for (size_t i = 0; i < body.size() && state_ == State::kOpen; ++i) {
    const auto byte = static_cast<uint8_t>(body[i]);
    if (handshake_bytes_ < sizeof kKeyUpdateHead) {
      if (byte != kKeyUpdateHead[handshake_bytes_]) {
        return Fail(handshake_bytes_ == 0 ? Alert::kUnexpectedMessage : Alert::kDecodeError);
      }
      ++handshake_bytes_;
      continue;
    }
    handshake_bytes_ = 0;
    if (i + 1 != body.size()) return Fail(Alert::kUnexpectedMessage);
    OnKeyUpdate(byte);
  }
}

void RecordLayer::OnKeyUpdate(uint8_t request) {
  if (request != kUpdateNotRequested && request != kUpdateRequested) {
    return Fail(Alert::kIllegalParameter);
  }
  if (!NextKeys(Reading())) return Fail(Alert::kInternalError);
  read_sequence_ = 0;
  if (request == kUpdateRequested) owes_key_update_ = true;
}

// Records without application data cost work and move nothing: a few are normal, a stream is not.
void RecordLayer::CountUseless() {
  if (++useless_records_ > kUselessRecordsMax) Fail(Alert::kUnexpectedMessage);
}

void RecordLayer::Fail(Alert alert) {
  state_ = State::kFailed;
  alert_ = alert;
}

// ---- out ----

std::string_view RecordLayer::Seal(std::string_view text) {
  HP_CHECK(text.size() <= kSealBytesMax && state_ != State::kFailed);
  char* const out = engine_.out().data();
  size_t size = 0;
  if (!engine_.SetKey(Engine::Use::kSeal, suite_, Writing().key)) return {};
  if (owes_key_update_ || write_sequence_ >= engine_.records_per_key_max()) {
    size = SealKeyUpdate(out);
    if (size == 0) return {};
  }
  while (!text.empty()) {
    const std::string_view piece = text.substr(0, kPlaintextBytesMax);
    const size_t sealed = SealRecord(ContentType::kApplicationData, piece, out + size);
    if (sealed == 0) return {};
    size += sealed;
    text.remove_prefix(piece.size());
  }
  return {out, size};
}

std::string_view RecordLayer::SealEnd() {
  if (std::exchange(silent_, true)) return {};
  char* const out = engine_.out().data();
  const bool orderly = alert_ == Alert::kCloseNotify;
  const char alert[] = {static_cast<char>(orderly ? kAlertWarning : kAlertFatal),
                        static_cast<char>(alert_)};
  if (!engine_.SetKey(Engine::Use::kSeal, suite_, Writing().key)) return {};
  return {out, SealRecord(ContentType::kAlert, {alert, sizeof alert}, out)};
}

size_t RecordLayer::SealKeyUpdate(char* out) {
  char message[sizeof kKeyUpdateHead + 1];
  std::copy(std::begin(kKeyUpdateHead), std::end(kKeyUpdateHead), message);
  message[sizeof kKeyUpdateHead] = kUpdateNotRequested;
  const size_t size = SealRecord(ContentType::kHandshake, {message, sizeof message}, out);
  owes_key_update_ = false;
  write_sequence_ = 0;
  const bool changed =
      NextKeys(Writing()) && engine_.SetKey(Engine::Use::kSeal, suite_, Writing().key);
  return changed ? size : 0;
}

size_t RecordLayer::SealRecord(ContentType type, std::string_view text, char* out) {
  const size_t length = text.size() + kInnerBytesMin + kTagBytes;
  const uint8_t header[kHeaderBytes] = {static_cast<uint8_t>(ContentType::kApplicationData), 3, 3,
                                        static_cast<uint8_t>(length >> 8),
                                        static_cast<uint8_t>(length)};
  std::memcpy(out, header, sizeof header);
  const Nonce nonce = NonceOf(Writing().iv, write_sequence_++);
  const bool sealed =
      engine_.Seal(suite_, nonce.bytes.data(), header, text, static_cast<uint8_t>(type),
                   reinterpret_cast<uint8_t*>(out + kHeaderBytes));
  return sealed ? kHeaderBytes + length : 0;
}

std::string_view RecordLayer::unsent() const {
  return kept_ ? std::string_view(kept_->unsent).substr(kept_->unsent_sent) : std::string_view();
}

void RecordLayer::KeepUnsent(std::string_view records, size_t text_bytes) {
  HP_CHECK(unsent().empty());
  Kept& kept = Keep();
  kept.unsent.assign(records);
  kept.unsent_sent = 0;
  kept.unsent_text = text_bytes;
}

void RecordLayer::Sent(size_t bytes) {
  kept_->unsent_sent += bytes;
  if (kept_->unsent_sent < kept_->unsent.size()) return;
  kept_->unsent = std::string();
  kept_->unsent_sent = 0;
  kept_->unsent_text = 0;
  TrimKept();
}

RecordLayer::Kept& RecordLayer::Keep() {
  if (!kept_) kept_ = std::make_unique<Kept>();
  return *kept_;
}

void RecordLayer::TrimKept() {
  if (kept_->partial.empty() && kept_->unsent.empty()) kept_.reset();
}

}  // namespace homeport::tls13
