#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libs/base/check.h"
#include "libs/tls13/engine.h"

namespace homeport::tls13::testing {

inline std::unique_ptr<Engine> MakeEngine(uint64_t records_per_key_max = uint64_t{1} << 24) {
  auto engine = Engine::Make({nullptr, records_per_key_max});
  HP_CHECK(engine.ok());
  return *std::move(engine);
}

// Records in the order in which they are written down: operands of + may be evaluated in any.
inline std::string Join(std::initializer_list<std::string> records) {
  std::string stream;
  for (const std::string& record : records) stream += record;
  return stream;
}

// One direction of a client: seals records as wrong as wanted, opens what a server sealed.
class ClientRecords {
 public:
  // `engine` must outlive it.
  ClientRecords(Engine& engine, Suite suite, std::vector<uint8_t> secret)
      : engine_(engine), suite_(suite), secret_(std::move(secret)) {
    Derive();
  }

  // A record of `inner`: content, its type, padding.
  std::string SealInner(std::string_view content, uint8_t type, size_t padding) {
    std::string text(content);
    if (padding != 0) {
      text.push_back(static_cast<char>(type));
      text.append(padding - 1, '\0');
      type = 0;
    }
    const size_t length = text.size() + 1 + kTagBytes;
    std::string record = {23, 3, 3, static_cast<char>(length >> 8), static_cast<char>(length)};
    const std::string header = record;
    record.resize(kHeaderBytes + length);
    const auto nonce = NextNonce();
    HP_CHECK(engine_.SetKey(Engine::Use::kSeal, suite_, key_.data()));
    HP_CHECK(engine_.Seal(suite_, nonce.data(), Bytes(header), text, type,
                          reinterpret_cast<uint8_t*>(record.data()) + kHeaderBytes));
    return record;
  }
  std::string Data(std::string_view text, size_t padding = 0) {
    return SealInner(text, 23, padding);
  }
  std::string Handshake(const std::string& bytes) { return SealInner(bytes, 22, 0); }
  std::string Alert(char level, char description) {
    return SealInner(std::string{level, description}, 21, 0);
  }
  // Seals it and goes on with the next key.
  std::string KeyUpdate(bool requested) {
    std::string record = Handshake(std::string{24, 0, 0, 1, requested ? '\1' : '\0'});
    Update();
    return record;
  }
  void Update() {
    HP_CHECK(engine_.ExpandLabel(suite_, secret_, "traffic upd", secret_));
    Derive();
  }

  struct Record {
    uint8_t type = 0;
    std::string content;
    bool operator==(const Record&) const = default;
  };
  // Takes the first record of `stream`. A KeyUpdate changes the key.
  Record OpenNext(std::string_view* stream) {
    HP_CHECK(stream->size() >= kHeaderBytes);
    const std::string header(stream->substr(0, kHeaderBytes));
    const size_t length =
        size_t{static_cast<uint8_t>(header[3])} << 8 | static_cast<uint8_t>(header[4]);
    HP_CHECK(stream->size() >= kHeaderBytes + length);
    std::string body(stream->substr(kHeaderBytes, length));
    stream->remove_prefix(kHeaderBytes + length);
    const auto nonce = NextNonce();
    HP_CHECK(engine_.SetKey(Engine::Use::kOpen, suite_, key_.data()));
    HP_CHECK(engine_.Open(suite_, nonce.data(), Bytes(header),
                          {reinterpret_cast<uint8_t*>(body.data()), body.size()}));
    body.resize(body.size() - kTagBytes);
    while (body.back() == 0) body.pop_back();
    Record record{static_cast<uint8_t>(body.back()), body.substr(0, body.size() - 1)};
    if (record.type == 22) Update();
    return record;
  }

 private:
  static std::span<const uint8_t> Bytes(const std::string& text) {
    return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
  }
  void Derive() {
    key_.resize(KeyBytes(suite_));
    HP_CHECK(engine_.ExpandLabel(suite_, secret_, "key", key_));
    HP_CHECK(engine_.ExpandLabel(suite_, secret_, "iv", iv_));
    sequence_ = 0;
  }
  std::array<uint8_t, kIvBytes> NextNonce() {
    std::array<uint8_t, kIvBytes> nonce = iv_;
    for (int i = 0; i < 8; ++i) nonce[11 - i] ^= static_cast<uint8_t>(sequence_ >> (8 * i));
    ++sequence_;
    return nonce;
  }

  Engine& engine_;
  const Suite suite_;
  std::vector<uint8_t> secret_;
  std::vector<uint8_t> key_;
  std::array<uint8_t, kIvBytes> iv_ = {};
  uint64_t sequence_ = 0;
};

}  // namespace homeport::tls13::testing
