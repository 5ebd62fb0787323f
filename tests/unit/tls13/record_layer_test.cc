#include "libs/tls13/record_layer.h"

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

#include "tests/unit/tls13/client_records.h"

namespace homeport::tls13 {
namespace {

using testing::ClientRecords;
using testing::Join;
using State = RecordLayer::State;

constexpr uint64_t kSealedByTls = 2;
constexpr uint8_t kAlert = 21;
constexpr uint8_t kHandshake = 22;
constexpr uint8_t kData = 23;

std::vector<uint8_t> Secret(Suite suite, uint8_t seed) {
  return std::vector<uint8_t>(SecretBytes(suite), seed);
}

// A layer, and the client at its other end.
struct Pair {
  explicit Pair(Suite suite = Suite::kAes128GcmSha256,
                uint64_t records_per_key_max = uint64_t{1} << 24)
      : engine(testing::MakeEngine(records_per_key_max)),
        client(*engine, suite, Secret(suite, 1)),
        server_records(*engine, suite, Secret(suite, 2)),
        layer(RecordLayer::Make(*engine, {suite, Secret(suite, 1), Secret(suite, 2), 0})) {}

  // What comes of a stream that arrives in pieces of `step` bytes, each in a block of its own.
  std::string Receive(std::string_view stream, size_t step = std::string::npos) {
    std::string text;
    while (!stream.empty() && layer->state() == State::kOpen) {
      const std::string_view piece = stream.substr(0, step);
      stream.remove_prefix(piece.size());
      std::string partial;
      partial.resize(layer->partial_bytes());
      layer->TakePartial(partial.data());
      const size_t size = partial.size() + piece.size();
      const std::unique_ptr<char[]> block(new char[size]);
      partial.copy(block.get(), partial.size());
      piece.copy(block.get() + partial.size(), piece.size());
      text.append(block.get(), layer->Open({block.get(), size}));
    }
    return text;
  }
  // The alert that ends the connection.
  uint8_t EndAlert() {
    const std::string sealed(layer->SealEnd());
    std::string_view stream = sealed;
    const ClientRecords::Record record = server_records.OpenNext(&stream);
    REQUIRE(stream.empty());
    REQUIRE(record.type == kAlert);
    REQUIRE(record.content.size() == 2);
    return static_cast<uint8_t>(record.content[1]);
  }

  std::unique_ptr<Engine> engine;
  ClientRecords client;
  ClientRecords server_records;
  RecordLayer::Ptr layer;
};

uint8_t Code(Alert alert) { return static_cast<uint8_t>(alert); }

const Suite kAllSuites[] = {Suite::kAes128GcmSha256, Suite::kAes256GcmSha384,
                            Suite::kChaCha20Poly1305Sha256};

}  // namespace

TEST_CASE("Data arrives however its records are cut") {
  for (const Suite suite : kAllSuites) {
    for (const size_t step : {size_t{1}, size_t{7}, size_t{4096}, std::string::npos}) {
      Pair pair(suite);
      const std::string large(kPlaintextBytesMax, 'x');
      const std::string stream =
          Join({pair.client.Data("one"), pair.client.Data("two", 200), pair.client.Data(""),
                pair.client.Data(large), pair.client.Data("end")});
      CHECK(pair.Receive(stream, step) == "onetwo" + large + "end");
      CHECK(pair.layer->state() == State::kOpen);
    }
  }
}

TEST_CASE("What is sealed is what the client opens, in records of 16 KiB") {
  for (const Suite suite : kAllSuites) {
    Pair pair(suite);
    for (const size_t size :
         {size_t{1}, kPlaintextBytesMax, kPlaintextBytesMax + 1, RecordLayer::kSealBytesMax}) {
      const std::string text(size, 'y');
      const std::string sealed(pair.layer->Seal(text));
      std::string_view stream = sealed;
      std::string opened;
      while (!stream.empty()) opened += pair.server_records.OpenNext(&stream).content;
      CHECK(opened == text);
    }
  }
}

TEST_CASE("The first record's number is that of the records sealed before") {
  const Suite suite = Suite::kAes128GcmSha256;
  Pair pair(suite);
  const auto layer =
      RecordLayer::Make(*pair.engine, {suite, Secret(suite, 1), Secret(suite, 2), kSealedByTls});
  for (uint64_t i = 0; i < kSealedByTls; ++i) {
    const std::string ticket(pair.layer->Seal("ticket"));
    std::string_view stream = ticket;
    CHECK(pair.server_records.OpenNext(&stream).content == "ticket");
  }
  const std::string sealed(layer->Seal("after"));
  std::string_view stream = sealed;
  CHECK(pair.server_records.OpenNext(&stream).content == "after");
}

TEST_CASE("KeyUpdate of the client, answered before the next data, once for several") {
  for (const Suite suite : kAllSuites) {
    Pair pair(suite);
    const std::string stream =
        Join({pair.client.Data("a"), pair.client.KeyUpdate(true), pair.client.KeyUpdate(false),
              pair.client.Data("b"), pair.client.KeyUpdate(true), pair.client.Data("c")});
    CHECK(pair.Receive(stream, 100) == "abc");
    const std::string sealed(pair.layer->Seal("answer"));
    std::string_view out = sealed;
    CHECK(pair.server_records.OpenNext(&out) ==
          ClientRecords::Record{kHandshake, {24, 0, 0, 1, 0}});
    CHECK(pair.server_records.OpenNext(&out) == ClientRecords::Record{kData, "answer"});
    CHECK(out.empty());
    CHECK(pair.layer->Seal("x").size() == kHeaderBytes + 1 + 1 + kTagBytes);
  }
}

TEST_CASE("A KeyUpdate may come in pieces, a record each") {
  Pair pair;
  const std::string message = {24, 0, 0, 1, 0};
  std::string stream;
  for (const char byte : message) stream += pair.client.Handshake({&byte, 1});
  pair.client.Update();
  CHECK(pair.Receive(Join({stream, pair.client.Data("later")})) == "later");
}

TEST_CASE("A key seals no more records than its limit") {
  constexpr uint64_t kLimit = 3;
  Pair pair(Suite::kAes128GcmSha256, kLimit);
  std::string stream;
  for (int i = 0; i < 8; ++i) stream += pair.layer->Seal(std::to_string(i));
  std::string_view rest = stream;
  std::string kinds;
  while (!rest.empty()) {
    const ClientRecords::Record record = pair.server_records.OpenNext(&rest);
    kinds += record.type == kData ? record.content : "K";
  }
  CHECK(kinds == "012K345K67");
}

TEST_CASE("What breaks a rule ends the connection with the rule's alert") {
  struct Row {
    const char* name;
    std::string (*stream)(ClientRecords&);
    Alert alert;
  };
  const Row rows[] = {
      {"a tag that does not fit",
       [](ClientRecords& c) {
         std::string record = c.Data("data");
         record.back() ^= 1;
         return record;
       },
       Alert::kBadRecordMac},
      {"a header that was changed",
       [](ClientRecords& c) {
         std::string record = c.Data("data");
         record[2] = 4;
         return record;
       },
       Alert::kBadRecordMac},
      {"a record sent twice",
       [](ClientRecords& c) {
         const std::string record = c.Data("data");
         return record + record;
       },
       Alert::kBadRecordMac},
      {"random bytes in a record's shape",
       [](ClientRecords&) { return std::string("\x17\x03\x03\x00\x20", 5) + std::string(32, 'z'); },
       Alert::kBadRecordMac},
      {"shorter than a tag",
       [](ClientRecords&) { return std::string("\x17\x03\x03\x00\x02xy", 7); },
       Alert::kBadRecordMac},
      {"no record at all", [](ClientRecords&) { return std::string("\x10\x0c\x00\x04MQTT", 8); },
       Alert::kUnexpectedMessage},
      {"a plain alert",
       [](ClientRecords&) { return std::string("\x15\x03\x03\x00\x02\x02\x28", 7); },
       Alert::kUnexpectedMessage},
      {"change_cipher_spec",
       [](ClientRecords&) { return std::string("\x14\x03\x03\x00\x01\x01", 6); },
       Alert::kUnexpectedMessage},
      {"a longer record, by its header alone",
       [](ClientRecords&) { return std::string("\x17\x03\x03\x41\x01", 5); },
       Alert::kRecordOverflow},
      {"more text than a record may hold",
       [](ClientRecords& c) { return c.Data(std::string(kPlaintextBytesMax + 1, 'x')); },
       Alert::kRecordOverflow},
      {"more padding than a record may hold",
       [](ClientRecords& c) { return c.Data(std::string(kPlaintextBytesMax, 'x'), 1 + 1); },
       Alert::kRecordOverflow},
      {"nothing but padding", [](ClientRecords& c) { return c.SealInner("", 0, 40); },
       Alert::kUnexpectedMessage},
      {"an unknown content type", [](ClientRecords& c) { return c.SealInner("x", 99, 0); },
       Alert::kUnexpectedMessage},
      {"change_cipher_spec, protected", [](ClientRecords& c) { return c.SealInner("\1", 20, 0); },
       Alert::kUnexpectedMessage},
      {"an empty alert", [](ClientRecords& c) { return c.SealInner("", 21, 0); },
       Alert::kUnexpectedMessage},
      {"two alerts in one record",
       [](ClientRecords& c) { return c.SealInner(std::string("\1\0\1\0", 4), 21, 0); },
       Alert::kDecodeError},
      {"an empty handshake message", [](ClientRecords& c) { return c.Handshake(""); },
       Alert::kUnexpectedMessage},
      {"a second ClientHello",
       [](ClientRecords& c) {
         return c.Handshake({1, 0, 0, 2, 3, 3});
       },
       Alert::kUnexpectedMessage},
      {"a ticket from a client",
       [](ClientRecords& c) {
         return c.Handshake({4, 0, 0, 1, 0});
       },
       Alert::kUnexpectedMessage},
      {"a certificate nobody asked for",
       [](ClientRecords& c) {
         return c.Handshake({11, 0, 0, 1, 0});
       },
       Alert::kUnexpectedMessage},
      {"an empty KeyUpdate",
       [](ClientRecords& c) {
         return c.Handshake({24, 0, 0, 0});
       },
       Alert::kDecodeError},
      {"a long KeyUpdate",
       [](ClientRecords& c) {
         return c.Handshake({24, 0, 0, 2, 0, 0});
       },
       Alert::kDecodeError},
      {"an unknown request to update",
       [](ClientRecords& c) {
         return c.Handshake({24, 0, 0, 1, 2});
       },
       Alert::kIllegalParameter},
      {"two KeyUpdates in one record",
       [](ClientRecords& c) {
         return c.Handshake({24, 0, 0, 1, 0, 24, 0, 0, 1, 0});
       },
       Alert::kUnexpectedMessage},
      {"data within a KeyUpdate",
       [](ClientRecords& c) {
         return Join({c.Handshake({24, 0, 0}), c.Data("x")});
       },
       Alert::kUnexpectedMessage},
      {"an alert within a KeyUpdate",
       [](ClientRecords& c) {
         return Join({c.Handshake({24}), c.Alert(1, 0)});
       },
       Alert::kUnexpectedMessage},
      {"empty records without end",
       [](ClientRecords& c) {
         std::string stream;
         for (int i = 0; i < 33; ++i) stream += c.Data("");
         return stream;
       },
       Alert::kUnexpectedMessage},
      {"KeyUpdates without end",
       [](ClientRecords& c) {
         std::string stream;
         for (int i = 0; i < 33; ++i) stream += c.KeyUpdate(true);
         return stream;
       },
       Alert::kUnexpectedMessage},
  };
  for (const Row& row : rows) {
    for (const size_t step : {size_t{1}, std::string::npos}) {
      INFO(row.name);
      Pair pair;
      const std::string stream = Join({pair.client.Data("before"), row.stream(pair.client)});
      CHECK(pair.Receive(stream, step).substr(0, 6) == "before");
      CHECK(pair.layer->state() == State::kFailed);
      CHECK(pair.EndAlert() == Code(row.alert));
    }
  }
}

TEST_CASE("Many small records, KeyUpdates between them, are not too many") {
  Pair pair;
  std::string stream;
  for (int i = 0; i < 1000; ++i) {
    stream += Join({pair.client.Data(""), pair.client.KeyUpdate(false), pair.client.Data("x")});
  }
  CHECK(pair.Receive(stream, 10'000) == std::string(1000, 'x'));
  CHECK(pair.layer->state() == State::kOpen);
}

TEST_CASE("close_notify ends what comes; data can still be sent, and ours follows") {
  Pair pair;
  const std::string stream = Join({pair.client.Data("last"), pair.client.Alert(1, 0), "anything"});
  CHECK(pair.Receive(stream) == "last");
  CHECK(pair.layer->state() == State::kPeerClosed);
  const std::string sealed(pair.layer->Seal("more"));
  std::string_view out = sealed;
  CHECK(pair.server_records.OpenNext(&out).content == "more");
  CHECK(pair.EndAlert() == Code(Alert::kCloseNotify));
}

TEST_CASE("user_canceled is followed by close_notify; any other alert is the end, unanswered") {
  Pair canceled;
  CHECK(canceled.Receive(Join({canceled.client.Alert(1, 90), canceled.client.Data("x")})) == "x");
  CHECK(canceled.layer->state() == State::kOpen);
  for (const char description : {20, 40, 80, 112, 1}) {
    Pair pair;
    pair.Receive(pair.client.Alert(1, description));
    CHECK(pair.layer->state() == State::kFailed);
    CHECK(pair.layer->SealEnd().empty());
  }
}

TEST_CASE("What the socket did not take is kept until it is sent") {
  Pair pair;
  CHECK(pair.layer->unsent().empty());
  pair.layer->KeepUnsent("abcdef", 4);
  pair.layer->Sent(2);
  CHECK(pair.layer->unsent() == "cdef");
  CHECK(pair.layer->unsent_text() == 4);
  pair.layer->Sent(4);
  CHECK(pair.layer->unsent().empty());
  CHECK(pair.layer->unsent_text() == 0);
}

TEST_CASE("A session's heap is a few cache lines") {
  CHECK(RecordLayer::HeapBytes(Suite::kAes128GcmSha256) <= 160);
  CHECK(RecordLayer::HeapBytes(Suite::kAes256GcmSha384) <= 224);
  CHECK(RecordLayer::HeapBytes(Suite::kChaCha20Poly1305Sha256) <= 192);
}

TEST_CASE("An engine that forgets still serves") {
  Pair pair;
  CHECK(pair.Receive(pair.client.Data("one")) == "one");
  pair.engine->Forget();
  CHECK(pair.Receive(pair.client.Data("two")) == "two");
}

}  // namespace homeport::tls13
