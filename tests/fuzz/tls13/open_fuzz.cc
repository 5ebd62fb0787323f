#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "libs/base/check.h"
#include "libs/tls13/record_layer.h"
#include "tests/unit/tls13/client_records.h"

// What a client sends after the handshake: a script of records, sealed under its key as the rules
// want or not, and of raw bytes. However the stream is cut, it must mean the same.
namespace homeport::tls13 {
namespace {

constexpr size_t kStreamBytesMax = 1 << 16;

class Script {
 public:
  Script(const uint8_t* data, size_t size) : data_(data), size_(size) {}

  [[nodiscard]] bool done() const { return size_ == 0; }
  uint8_t Byte() {
    if (done()) return 0;
    --size_;
    return *data_++;
  }
  std::string Text(size_t bytes) {
    const size_t taken = std::min(bytes, size_);
    std::string text(reinterpret_cast<const char*>(data_), taken);
    data_ += taken;
    size_ -= taken;
    return text;
  }

 private:
  const uint8_t* data_;
  size_t size_;
};

std::string Stream(Engine& engine, Suite suite, Script script) {
  testing::ClientRecords client(engine, suite, std::vector<uint8_t>(SecretBytes(suite), 1));
  std::string stream;
  while (!script.done() && stream.size() < kStreamBytesMax) {
    switch (script.Byte() % 6) {
      case 0:
        stream += script.Text(script.Byte());
        break;
      case 1:
        stream += client.Data(script.Text(script.Byte()), script.Byte());
        break;
      case 2: {
        const uint8_t type = script.Byte();
        stream += client.SealInner(script.Text(script.Byte()), type, script.Byte());
        break;
      }
      case 3:
        stream += client.KeyUpdate(script.Byte() % 2 == 1);
        break;
      case 4:
        stream += client.Data(std::string(size_t{script.Byte()} * 65, 'x'));
        break;
      default: {
        std::string record = client.Data("spoilt");
        record[script.Byte() % record.size()] ^= static_cast<char>(script.Byte());
        stream += record;
      }
    }
  }
  return stream;
}

struct Outcome {
  std::string text;
  RecordLayer::State state;
  std::string end;
  bool operator==(const Outcome&) const = default;
};

Outcome Receive(Engine& engine, Suite suite, std::string_view stream, size_t step) {
  const std::vector<uint8_t> client(SecretBytes(suite), 1);
  const std::vector<uint8_t> server(SecretBytes(suite), 2);
  const auto layer = RecordLayer::Make(engine, {suite, client, server, 0});
  const std::unique_ptr<char[]> partial(new char[kRecordBytesMax]);
  Outcome outcome;
  while (!stream.empty() && layer->state() == RecordLayer::State::kOpen) {
    const std::string_view piece = stream.substr(0, step);
    stream.remove_prefix(piece.size());
    const size_t partial_bytes = layer->partial_bytes();
    layer->TakePartial(partial.get());
    const size_t size = partial_bytes + piece.size();
    const std::unique_ptr<char[]> block(new char[size]);
    std::copy_n(partial.get(), partial_bytes, block.get());
    piece.copy(block.get() + partial_bytes, piece.size());
    const size_t text = layer->Open({block.get(), size});
    HP_CHECK(text <= size);
    outcome.text.append(block.get(), text);
  }
  outcome.state = layer->state();
  if (outcome.state != RecordLayer::State::kFailed) outcome.end = layer->Seal("answer");
  outcome.end += layer->SealEnd();
  return outcome;
}

}  // namespace
}  // namespace homeport::tls13

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace homeport::tls13;
  static const std::unique_ptr<Engine> engine = testing::MakeEngine();
  Script script(data, size);
  const auto suite = static_cast<Suite>(script.Byte() % kSuites);
  const size_t step_wanted = size_t{script.Byte()} * 8 + 1;
  const std::string stream = Stream(*engine, suite, script);
  const size_t step = std::max(step_wanted, stream.size() / 1024);
  HP_CHECK(Receive(*engine, suite, stream, step) ==
           Receive(*engine, suite, stream, stream.size() + 1));
  return 0;
}
