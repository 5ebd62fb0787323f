#include <csignal>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/fuzz/gateway/packet_maker.h"
#include "tests/fuzz/gateway/script_client.h"
#include "tests/fuzz/gateway/script_input.h"
#include "tests/fuzz/gateway/script_world.h"

// A script of up to four clients of a real shard over a real Redis: what they do comes from the
// input, what they hear is held against the rules of Conversation. Steps are of two bytes or more:
// the first one's upper two bits name the client. A script whose first byte is kStormy may break
// the shard's connections to Redis, which costs it the time of a back-off.
namespace homeport::testing {
namespace {

constexpr size_t kClients = 4;
constexpr size_t kStepsMax = 150;
constexpr uint8_t kStormy = 0xee;
constexpr uint64_t kRunsPerSweep = 256;

enum class Step : uint8_t {
  kRaw,     // these four are
  kAwait,   // known to
  kListen,  // tests/conformance/
  kDrop,    // runner/compile.py
  kConnect,
  kSubscribe,
  kPublish,
  kPublishMore,  // as kPublish: most steps should be
  kAnswer,
  kAcknowledge,
  kRelease,
  kPublishAgain,
  kUnsubscribe,
  kPing,
  kAuth,
  kDisconnect,
  kFinish,
  kRead,
  kAwaitAll,
  kCut,
  kBreakRedis,
  kEnd,
};

ScriptWorld& World() {
  static ScriptWorld world;
  return world;
}

class Script {
 public:
  Script(uint64_t run, std::string_view input) : input_(input), maker_(run) {
    // Other runs may have used an id that PacketMaker has not made.
    for (const std::string& client_id : maker_.client_ids()) memories_[client_id].exact = true;
    const auto on_accepted = [this](const Conversation& by) { EndTakenOver(by); };
    for (size_t i = 0; i < kClients; ++i) {
      clients_.emplace_back(World().address(), memories_, on_accepted);
    }
  }

  void Run() {
    stormy_ = input_.Byte() == kStormy;
    for (size_t i = 0; i < kStepsMax && !input_.empty(); ++i) {
      const uint8_t head = input_.Byte();
      ScriptClient& client = clients_[head >> 6];
      Do(static_cast<Step>((head & 0x3f) % static_cast<uint8_t>(Step::kEnd)), client);
    }
    for (ScriptClient& client : clients_) {
      if (client.is_open()) static_cast<void>(client.Finish());
    }
    for (const std::string& client_id : kept_) EndSession(client_id);
    if (retains_) World().ForgetRetained();
  }

 private:
  void Do(Step step, ScriptClient& client) {
    if (step == Step::kConnect) return Connect(client);
    if (step == Step::kRaw) return SendRaw(client);
    if (step == Step::kBreakRedis) return BreakRedis();
    if (step == Step::kAwaitAll) {
      for (ScriptClient& each : clients_) each.Await();
      return;
    }
    if (!client.is_open()) return;
    switch (step) {
      case Step::kDrop:
        return client.Drop();
      case Step::kFinish:
        static_cast<void>(client.Finish());
        return;
      case Step::kRead:
        return client.Read();
      case Step::kAwait:
        return client.Await();
      case Step::kListen:
        return client.Listen();
      case Step::kCut:
        return client.Cut(input_.Byte());
      default:
        return client.Send(PacketOf(step, client.conversation()));
    }
  }

  std::string PacketOf(Step step, const Conversation& conversation) {
    const mqtt::Version version = conversation.version();
    switch (step) {
      case Step::kSubscribe:
        return maker_.Subscribe(input_, version);
      case Step::kUnsubscribe:
        return maker_.Unsubscribe(input_, version);
      case Step::kAnswer:
        return PacketMaker::Answer(input_, conversation);
      case Step::kAcknowledge:
        return PacketMaker::Acknowledgement(input_, version);
      case Step::kRelease:
        return PacketMaker::Release(input_, conversation);
      case Step::kPublishAgain:
        return PublishAgain(conversation);
      case Step::kPing:
        return std::string("\xc0\x00", 2);
      case Step::kAuth:
        return PacketMaker::Auth(input_);
      case Step::kDisconnect:
        return PacketMaker::Disconnect(input_, version);
      default: {
        PacketMaker::Made made = maker_.Publish(input_, version);
        retains_ |= made.retains;
        return made.bytes;
      }
    }
  }

  void Connect(ScriptClient& client) {
    if (!client.is_open()) client.Open(++connections_);
    std::string client_id;
    const PacketMaker::Made made = maker_.Connect(input_, &client_id);
    retains_ |= made.retains;
    if (made.keeps_session) kept_.insert(client_id);
    client.Send(made.bytes);
  }

  void SendRaw(ScriptClient& client) {
    if (!client.is_open()) client.Open(++connections_);
    const size_t size = input_.Byte();
    client.Send(input_.Bytes(size));
  }

  // What the former connection of the client id was told comes before what the new one is.
  void EndTakenOver(const Conversation& by) {
    if (!by.memory()->exact) return;
    for (ScriptClient& client : clients_) {
      if (!client.is_open() || client.conversation().memory() != by.memory()) continue;
      if (&client.conversation() == &by) continue;
      client.AwaitEnd("a connection goes on whose client id belongs to a newer one");
    }
  }

  // Only where it is known that the server knows the message.
  std::string PublishAgain(const Conversation& conversation) {
    const ClientMemory* memory = conversation.memory();
    if (memory == nullptr || memory->published.empty()) return "";
    auto at = memory->published.begin();
    std::advance(at, input_.Below(memory->published.size()));
    return conversation.MayRepeat(at->second) ? at->second.packet : "";
  }

  void BreakRedis() {
    if (!stormy_) return;
    stormy_ = false;
    broken_ = true;
    World().BreakRedis();
  }

  // Refused while the connection to Redis is not back.
  void EndSession(const std::string& client_id) {
    ClientMemories memories;
    bool accepted = false;
    while (!accepted) {
      ScriptClient client(World().address(), memories, [](const Conversation&) {});
      client.Open(++connections_);
      client.Send(PacketMaker::EndSession(client_id));
      accepted = client.Finish() || !broken_;
    }
  }

  ScriptInput input_;
  PacketMaker maker_;
  ClientMemories memories_;
  std::vector<ScriptClient> clients_;
  std::set<std::string> kept_;  // client ids whose sessions may outlive their connections
  int connections_ = 0;
  bool retains_ = false;
  bool stormy_ = false;
  bool broken_ = false;
};

}  // namespace
}  // namespace homeport::testing

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv);
extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  // Over this much code the accounts of that way to choose inputs take longer than the scripts.
  static std::string plain_choice = "-entropic=0";
  // What the shard goes on to hold behind a script is no leak; the end of the process tells of any.
  static std::string leaks_at_end = "-detect_leaks=0";
  static std::vector<char*> words(*argv, *argv + *argc);
  words.insert(words.end(), {plain_choice.data(), leaks_at_end.data()});
  *argc = static_cast<int>(words.size());
  words.push_back(nullptr);
  *argv = words.data();
  std::signal(SIGPIPE, SIG_IGN);  // as the services do: scripts break connections to Redis
  homeport::testing::World();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace homeport::testing;
  static uint64_t run = 0;
  if (++run % kRunsPerSweep == 0) World().Sweep();
  Script(run, {reinterpret_cast<const char*>(data), size}).Run();
  return 0;
}
