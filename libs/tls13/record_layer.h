#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "libs/tls13/engine.h"
#include "libs/tls13/suite.h"

namespace homeport::tls13 {

// A server's side of one TLS 1.3 connection after its handshake: bytes in and out, no socket. Keeps
// keys, sequence numbers and, where there is one, a record in part: 160 to 224 bytes in one
// allocation, wiped when it goes. For the thread of its engine.
//
// Peers may pad, change their keys (KeyUpdate) and ask us to change ours, which happens before the
// next application data is sealed. Every other message after the handshake ends the connection.
class RecordLayer {
 public:
  struct Deleter {
    void operator()(RecordLayer* layer) const;
  };
  using Ptr = std::unique_ptr<RecordLayer, Deleter>;

  // The handshake's outcome.
  struct Start {
    Suite suite = Suite::kAes128GcmSha256;
    std::span<const uint8_t> client_secret;  // client_application_traffic_secret_0
    std::span<const uint8_t> server_secret;
    uint64_t sealed = 0;  // records that went out under the server's secret already
  };
  // `engine` must outlive the layer. nullptr: OpenSSL failed. REQUIRES: the secrets have the
  // suite's size.
  [[nodiscard]] static Ptr Make(Engine& engine, const Start& start);
  RecordLayer(const RecordLayer&) = delete;
  RecordLayer& operator=(const RecordLayer&) = delete;

  // ---- in ----

  enum class State : uint8_t {
    kOpen,
    kPeerClosed,  // by close_notify: nothing more comes
    kFailed,      // the peer broke a rule or said it fails: nothing more comes nor goes
  };
  [[nodiscard]] State state() const { return state_; }

  // What the last Open kept: less than kRecordBytesMax. The next Open wants it back, in front of
  // what followed it: TakePartial moves it to `buffer`.
  [[nodiscard]] size_t partial_bytes() const { return kept_ ? kept_->partial.size() : 0; }
  void TakePartial(char* buffer);
  // Decrypts the whole records of `bytes` in place, leaves their application data at the front and
  // returns its size. Keeps the partial record at the end. Once state() is not kOpen, what remains
  // is dropped. REQUIRES: state() is kOpen.
  [[nodiscard]] size_t Open(std::span<char> bytes);

  // ---- out ----

  static constexpr size_t kSealBytesMax = 4 * kPlaintextBytesMax;
  static constexpr size_t kSealedBytesMax =
      kSealBytesMax + 5 * (kHeaderBytes + 1 + kTagBytes) + kHeaderBytes;

  // The records that carry `text`, in the engine's buffer until its next use; empty: OpenSSL
  // failed. REQUIRES: text.size() <= kSealBytesMax; state() is not kFailed.
  [[nodiscard]] std::string_view Seal(std::string_view text);
  // The last record: close_notify or, after a failure, its alert. Empty where there is nothing to
  // say.
  [[nodiscard]] std::string_view SealEnd();

  // Records that the socket has not taken yet, and how much of the caller's text is in them.
  [[nodiscard]] std::string_view unsent() const;
  [[nodiscard]] size_t unsent_text() const { return kept_ ? kept_->unsent_text : 0; }
  void KeepUnsent(std::string_view records, size_t text_bytes);
  // The first `bytes` of unsent() are sent.
  void Sent(size_t bytes);

  // Bytes on the heap beyond what a partial or unsent record takes.
  [[nodiscard]] static size_t HeapBytes(Suite suite);

 private:
  enum class ContentType : uint8_t { kAlert = 21, kHandshake = 22, kApplicationData = 23 };
  struct Direction {
    std::span<uint8_t> secret;
    uint8_t* key;
    uint8_t* iv;
  };
  // Freed when it holds nothing.
  struct Kept {
    std::string partial;
    std::string unsent;
    size_t unsent_sent = 0;
    size_t unsent_text = 0;
  };

  RecordLayer(Engine& engine, const Start& start)
      : engine_(engine), write_sequence_(start.sealed), suite_(start.suite) {}
  ~RecordLayer();

  [[nodiscard]] Direction Reading() { return At(0); }
  [[nodiscard]] Direction Writing() { return At(DirectionBytes(suite_)); }
  [[nodiscard]] Direction At(size_t offset);
  [[nodiscard]] static constexpr size_t DirectionBytes(Suite suite) {
    return SecretBytes(suite) + KeyBytes(suite) + kIvBytes;
  }
  [[nodiscard]] bool DeriveKeys(const Direction& direction);
  [[nodiscard]] bool NextKeys(const Direction& direction);

  // Decrypts one record; returns the application data in it, which is in the record's place.
  [[nodiscard]] std::span<char> OpenRecord(std::span<char> record);
  void OnAlert(std::span<const char> body);
  void OnHandshake(std::span<const char> body);
  void OnKeyUpdate(uint8_t request);
  void CountUseless();
  void Fail(Alert alert);

  // Writes one record to `out`; returns its size, 0: OpenSSL failed. REQUIRES: SetKey is done.
  [[nodiscard]] size_t SealRecord(ContentType type, std::string_view text, char* out);
  [[nodiscard]] size_t SealKeyUpdate(char* out);
  [[nodiscard]] Kept& Keep();
  void TrimKept();

  Engine& engine_;
  uint64_t read_sequence_ = 0;
  uint64_t write_sequence_;
  std::unique_ptr<Kept> kept_;
  const Suite suite_;
  State state_ = State::kOpen;
  Alert alert_ = Alert::kCloseNotify;  // to send at the end
  bool silent_ = false;                // nothing is to be sent at the end
  bool owes_key_update_ = false;
  uint8_t useless_records_ = 0;  // in a row
  uint8_t handshake_bytes_ = 0;  // of a KeyUpdate in part
  // Behind the object: secret, key and IV to read, the same to write.
};

}  // namespace homeport::tls13
