#include "services/gateway/stream/batch_appender.h"

#include <time.h>

#include <catch2/catch.hpp>
#include <set>

#include "homeport/internal/v1/envelope.pb.h"
#include "libs/metrics/registry.h"
#include "libs/redis_blocking/client.h"
#include "libs/routing/envelope.h"
#include "libs/routing/keys.h"
#include "tests/integration/gateway/reactor_thread.h"
#include "tests/support/private_servers.h"

namespace homeport::gateway {
namespace {

using testing::Eventually;
using testing::PrivateRedis;
using testing::ReactorThread;

constexpr char kStream[] = "stream";
constexpr char kHash[] = "hash";
constexpr char kHashBytes[] = "hash-bytes";
constexpr char kReaders[] = "readers";
constexpr char kReceipts[] = "receipts";

BatchAppender::Options OptionsOf() {
  BatchAppender::Options options;
  options.pod = PodId("pod-1");
  options.streams = {kStream};
  options.hashes = {{kHash, kHashBytes}};
  options.receipts = {kReceipts};
  options.batch_bytes_max = 10'000;
  return options;
}

// An appender on a private Redis; the acknowledgements come in `acks`.
struct World {
  PrivateRedis redis;
  redis_blocking::Client reader{{.address = redis.address()}};
  metrics::Registry registry;
  ShardProbe probe{registry};
  ReactorThread loop;
  std::vector<uint16_t> acks;
  std::vector<uint16_t> refused;  // of these
  redis::Client client;
  BatchAppender appender;

  explicit World(BatchAppender::Options options = OptionsOf())
      : client(loop.reactor(), {redis.address(), "test", 300},
               [this](bool connected) {
                 if (connected) appender.OnConnected();
               }),
        appender(loop.reactor(), client, probe, probe.uplink, std::move(options),
                 [this](std::span<const OwedAck> all) {
                   for (const OwedAck& ack : all) {
                     acks.push_back(ack.packet_id);
                     if (ack.reason != mqtt::ReasonCode::kSuccess) refused.push_back(ack.packet_id);
                   }
                 }) {
    loop.Do([this] { client.Start(); });
    REQUIRE(Eventually([this] { return loop.Do([this] { return client.connected(); }); }));
  }
  ~World() {
    loop.Do([this] { client.Stop(); });
    loop.Stop();
  }

  void Append(uint16_t id, size_t bytes, BatchAppender::Haste haste = BatchAppender::Haste::kNow) {
    internal::v1::BusMessage message;
    message.set_topic(std::to_string(id));
    message.set_payload(std::string(bytes, 'x'));
    appender.Append(0, {SessionHandle{}, id}, haste, [&](std::string& batch) {
      routing::AppendBatchMessage(batch, message.ByteSizeLong());
      message.AppendToString(&batch);
    });
  }

  struct Entries {
    std::vector<std::string> topics;  // in order
    size_t largest = 0;
    int64_t count = 0;
    std::vector<uint64_t> sequences;
  };
  Entries Read() {
    Entries entries;
    const auto reply = reader.Call({"XRANGE", kStream, "-", "+"});
    REQUIRE(reply.ok());
    for (size_t i = 0; i < reply->size(); ++i) {
      const std::string_view bytes = (*reply)[i][1][1].text();
      internal::v1::BusBatch batch;
      REQUIRE(batch.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
      entries.largest = std::max(entries.largest, bytes.size());
      entries.sequences.push_back(batch.sequence());
      for (const auto& message : batch.messages()) entries.topics.push_back(message.topic());
      ++entries.count;
    }
    return entries;
  }
  bool HasAcks(size_t count) {
    return Eventually([&] { return loop.Do([&] { return acks.size() == count; }); });
  }
};

TEST_CASE("a batch that Redis took without an answer is in its stream once") {
  World world;
  world.redis.Freeze();
  world.loop.Do([&] { world.Append(1, 10); });
  REQUIRE(Eventually([&] { return world.loop.Do([&] { return !world.client.connected(); }); }));
  world.redis.Thaw();
  REQUIRE(Eventually([&] { return world.loop.Do([&] { return world.acks.size() == 1; }); }));
  CHECK(world.Read().count == 1);
  // What follows is appended as ever.
  world.loop.Do([&] { world.Append(2, 10); });
  REQUIRE(Eventually([&] { return world.loop.Do([&] { return world.acks.size() == 2; }); }));
  CHECK(world.Read().topics == std::vector<std::string>{"1", "2"});
}

TEST_CASE("what comes while a batch is on its way becomes entries of the batch's size, in order") {
  World world;
  world.redis.Freeze();
  std::vector<uint16_t> wanted;
  std::vector<std::string> topics;
  for (uint16_t id = 1; id <= 200; ++id) {
    wanted.push_back(id);
    topics.push_back(std::to_string(id));
    world.loop.Do([&] { world.Append(id, 1000); });
  }
  // Once the silence has been noticed, and what was on its way is to be sent again.
  CHECK(Eventually([&] { return world.loop.Do([&] { return !world.client.connected(); }); }));
  world.loop.Do([&] {
    world.appender.AppendAck(0, {SessionHandle{}, 201});
    world.appender.AfterAppended(0, [&] { world.acks.push_back(999); });
  });
  CHECK(world.loop.Do([&] { return world.acks.empty() && !world.appender.idle(); }));
  world.redis.Thaw();
  REQUIRE(world.HasAcks(202));
  const World::Entries entries = world.Read();
  CHECK(entries.largest < 12'000);
  CHECK(entries.count >= 18);
  // Those whose answers were lost may stand there twice, next to each other.
  std::vector<std::string> found;
  for (size_t i = 0; i < entries.topics.size(); ++i) {
    if (std::find(found.begin(), found.end(), entries.topics[i]) == found.end()) {
      found.push_back(entries.topics[i]);
    }
  }
  CHECK(found == topics);
  CHECK(std::is_sorted(entries.sequences.begin(), entries.sequences.end()));
  std::vector<uint16_t> acks = world.loop.Do([&] { return world.acks; });
  std::erase(acks, 999);
  wanted.push_back(201);
  CHECK(acks == wanted);
  CHECK(world.loop.Do([&] { return world.appender.buffered_bytes(); }) == 0);
  CHECK(world.loop.Do([&] { return world.appender.idle(); }));
}

TEST_CASE("that nobody follows is told only where no other pod reads the partition") {
  BatchAppender::Options options = OptionsOf();
  options.readers = {kReaders};
  options.readers_ms = 60'000;
  World world(std::move(options));
  const auto list = [&world](const char* pod, int64_t ago_ms) {
    const std::string said = std::to_string(time(nullptr) * 1000 - ago_ms);
    REQUIRE(world.reader.Call({"ZADD", kReaders, said, pod}).ok());
  };
  const auto publish = [&world](uint16_t id) {
    world.loop.Do([&world, id] {
      OwedAck ack{SessionHandle{}, id};
      ack.reason = mqtt::ReasonCode::kNoMatchingSubscribers;
      world.appender.Append(0, ack, BatchAppender::Haste::kNow,
                            [](std::string& batch) { batch += "x"; });
    });
    REQUIRE(world.HasAcks(id));
    return world.loop.Do([&world, id] { return world.refused.size() == id; });
  };
  CHECK(publish(1));
  list("pod-1", 0);  // itself
  CHECK(publish(2));
  list("pod-2", 120'000);  // which is no more
  CHECK(publish(3));
  list("pod-2", 0);
  CHECK_FALSE(publish(4));
}

TEST_CASE("a batch that brings Redis its script is told who follows as others are") {
  BatchAppender::Options options = OptionsOf();
  options.readers = {kReaders};
  options.readers_ms = 60'000;
  World world(std::move(options));  // its Redis knows no script yet
  world.loop.Do([&] {
    OwedAck ack{SessionHandle{}, 1};
    ack.reason = mqtt::ReasonCode::kNoMatchingSubscribers;
    world.appender.SetWithBatch(0, "topic", "value", {});
    world.appender.Append(0, ack, BatchAppender::Haste::kNow,
                          [](std::string& batch) { batch += "x"; });
  });
  REQUIRE(world.HasAcks(1));
  CHECK(world.loop.Do(
      [&] { return world.refused == std::vector<uint16_t>{1} && world.appender.idle(); }));
}

TEST_CASE("hundreds of fields go with one batch") {
  BatchAppender::Options options = OptionsOf();
  options.batch_bytes_max = 1 << 20;
  World world(options);
  world.loop.Do([&] {
    for (uint16_t id = 1; id <= 500; ++id) {
      world.appender.SetWithBatch(0, std::to_string(id), "value", {});
      world.Append(id, 10);
    }
  });
  REQUIRE(world.HasAcks(500));
  CHECK(world.Read().count == 1);
  const auto fields = world.reader.Call({"HLEN", kHash});
  REQUIRE(fields.ok());
  CHECK(fields->integer() == 500);
  CHECK(world.loop.Do([&] { return world.appender.buffered_bytes(); }) == 0);
}

TEST_CASE("receipts stand beside the stream, of the last batches that have any") {
  World world;
  const auto append = [&](uint16_t id, std::string_view receipt, bool with_field) {
    world.loop.Do([&] {
      if (with_field) world.appender.SetWithBatch(0, "field", "value", {});
      if (!receipt.empty()) world.appender.AddReceipt(0, receipt);
      world.Append(id, 1);
    });
    REQUIRE(world.HasAcks(id));
  };
  const auto receipts = [&] {
    std::string all;
    const auto reply = world.reader.Call({"LRANGE", kReceipts, "0", "-1"});
    for (size_t i = 0; i < reply->size(); ++i) all += (*reply)[i].text();
    return all;
  };
  append(1, {}, false);
  CHECK(receipts().empty());
  append(2, "a", false);
  append(3, {}, false);  // has none
  append(4, {}, true);
  append(5, "b", true);
  append(6, "c", false);
  CHECK(receipts() == "abc");
  CHECK(world.reader.Call({"TTL", kReceipts})->integer() > 0);
  CHECK(world.Read().topics == std::vector<std::string>{"1", "2", "3", "4", "5", "6"});
  for (uint16_t id = 7; id <= 300; ++id) append(id, "d", id % 2 == 0);
  append(301, "e", false);
  CHECK(receipts() == std::string(255, 'd') + "e");
}

TEST_CASE("a batch that is not appended leaves no receipt") {
  BatchAppender::Options options = OptionsOf();
  options.window_ms = 0;
  World world(std::move(options));
  REQUIRE(world.reader.Call({"SET", kStream, "no stream"}).ok());
  world.loop.Do([&] {
    world.appender.AddReceipt(0, "a");
    world.Append(1, 1);
  });
  REQUIRE(Eventually(
      [&] { return world.loop.Do([&] { return world.probe.uplink.retries.value() > 0; }); }));
  CHECK(world.reader.Call({"EXISTS", kReceipts})->integer() == 0);
  REQUIRE(world.reader.Call({"DEL", kStream}).ok());
  REQUIRE(world.HasAcks(1));
  CHECK(world.reader.Call({"LLEN", kReceipts})->integer() == 1);
}

TEST_CASE("a full hash takes no more fields, but newer values of those it has") {
  BatchAppender::Options options = OptionsOf();
  options.hash_fields_max = 3;
  options.hash_bytes_max = 200;
  World world(options);
  uint16_t id = 0;
  const auto set = [&](std::string_view field, size_t bytes) {
    ++id;
    world.appender.SetWithBatch(0, field, std::string(bytes, 'v'), {SessionHandle{}, id});
    world.Append(id, 10);
  };
  const auto fields = [&] {
    std::set<std::string> found;
    const auto reply = world.reader.Call({"HKEYS", kHash});
    for (size_t i = 0; i < reply->size(); ++i) found.emplace((*reply)[i].text());
    return found;
  };
  using Names = std::set<std::string>;
  world.loop.Do([&] {
    for (const char* name : {"a", "b", "c", "d"}) set(name, 10);
    set("a", 11);
  });
  REQUIRE(world.HasAcks(5));
  CHECK(world.refused == std::vector<uint16_t>{4});
  CHECK(fields() == Names{"a", "b", "c"});

  // What is too large ends what was there; room that is free again is given away.
  world.loop.Do([&] {
    set("b", 150);
    set("c", 0);
    set("d", 10);
    set("e", 10);
    set("f", 10);
  });
  REQUIRE(world.HasAcks(10));
  CHECK(world.refused == std::vector<uint16_t>{4, 6, 10});
  CHECK(fields() == Names{"a", "d", "e"});
  int64_t bytes = 0;
  for (const std::string& name : fields()) {
    bytes +=
        static_cast<int64_t>(name.size()) + world.reader.Call({"HSTRLEN", kHash, name})->integer();
  }
  CHECK(world.reader.Call({"GET", kHashBytes})->text() == std::to_string(bytes));
}

TEST_CASE("a message that can wait waits without work, also where batches have no window") {
  BatchAppender::Options options = OptionsOf();
  options.window_ms = 0;
  options.patience_ms = 600;
  World world(options);
  const auto cpu_ms = [&] {
    return world.loop.Do([] {
      timespec time{};
      clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
      return time.tv_sec * 1000 + time.tv_nsec / 1'000'000;
    });
  };
  world.loop.Do([&] { world.Append(1, 10, BatchAppender::Haste::kCanWait); });
  REQUIRE(world.HasAcks(1));
  const int64_t before_ms = cpu_ms();
  world.loop.Do([&] { world.Append(2, 10, BatchAppender::Haste::kCanWait); });
  REQUIRE(world.HasAcks(2));
  CHECK(cpu_ms() - before_ms < 200);

  // One that cannot wait takes the others along.
  world.loop.Do([&] {
    world.Append(3, 10, BatchAppender::Haste::kCanWait);
    world.loop.reactor().After(20, [&] { world.Append(4, 10); });
  });
  REQUIRE(world.HasAcks(4));
  CHECK(world.Read().count == 3);
  const auto entries = world.reader.Call({"XRANGE", kStream, "-", "+"});
  REQUIRE(entries.ok());
  std::string fields;  // who reads it sees which can wait
  for (size_t i = 0; i < entries->size(); ++i) fields += (*entries)[i][1][0].text();
  CHECK(fields == "ppb");
}

TEST_CASE("what can wait leaves together, of all partitions") {
  BatchAppender::Options options = OptionsOf();
  options.streams = {"stream-0", "stream-1", "stream-2"};
  options.hashes.clear();
  options.patience_ms = 1000;
  World world(options);
  const auto append = [&](uint32_t partition, BatchAppender::Haste haste) {
    world.appender.Append(partition, {SessionHandle{}, 1}, haste,
                          [](std::string& batch) { batch += "x"; });
  };
  const auto entry_ms = [&](const char* stream, size_t index) {
    const auto entries = world.reader.Call({"XRANGE", stream, "-", "+"});
    REQUIRE(entries.ok());
    REQUIRE(entries->size() > index);
    return std::stoll(std::string((*entries)[index][0].text()));
  };
  world.loop.Do([&] { append(0, BatchAppender::Haste::kCanWait); });
  REQUIRE(world.HasAcks(1));
  world.loop.Do([&] {
    // Their streams are empty, but the appender has been to Redis a moment ago.
    append(1, BatchAppender::Haste::kCanWait);
    append(2, BatchAppender::Haste::kCanWait);
    append(2, BatchAppender::Haste::kNow);
    append(0, BatchAppender::Haste::kCanWait);
  });
  REQUIRE(world.HasAcks(5));
  const int64_t first = entry_ms("stream-0", 0);
  CHECK(entry_ms("stream-2", 0) - first < 500);
  CHECK(entry_ms("stream-1", 0) - first > 500);
  CHECK(entry_ms("stream-0", 1) - first > 500);
}

TEST_CASE("what is awaited leaves at once, and its reader may still let it wait") {
  BatchAppender::Options options = OptionsOf();
  options.patience_ms = 60'000;
  World world(options);
  const auto append = [&](uint16_t id) { world.Append(id, 10, BatchAppender::Haste::kCanWait); };
  world.loop.Do([&] { append(1); });
  REQUIRE(world.HasAcks(1));
  bool appended = false;
  world.loop.Do([&] {
    append(2);
    world.appender.AfterAppended(0, [&] { appended = true; });
  });
  REQUIRE(world.HasAcks(2));
  CHECK(world.loop.Do([&] { return appended; }));
  const auto entries = world.reader.Call({"XRANGE", kStream, "-", "+"});
  REQUIRE(entries.ok());
  REQUIRE(entries->size() == 2);
  CHECK((*entries)[1][1][0].text() == routing::kPatientBatchField);

  // Nobody awaits the third: it leaves with the acknowledgement that is to follow it.
  world.loop.Do([&] { append(3); });
  world.loop.Do([&] {
    world.loop.reactor().After(50, [&] { world.appender.AppendAck(0, {SessionHandle{}, 4}); });
  });
  REQUIRE(world.HasAcks(4));
  CHECK(world.Read().count == 3);
}

}  // namespace
}  // namespace homeport::gateway
