#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "libs/net/fd.h"
#include "tests/fuzz/gateway/conversation.h"

namespace homeport::testing {

// One client of a script: a connection at a time, whose every byte goes through a Conversation.
class ScriptClient {
 public:
  ScriptClient(const std::string& address, ClientMemories& memories,
               Conversation::OnAccepted on_accepted)
      : address_(address), memories_(memories), on_accepted_(std::move(on_accepted)) {}

  [[nodiscard]] bool is_open() const { return conversation_ != nullptr; }
  // REQUIRES: is_open().
  [[nodiscard]] const Conversation& conversation() const { return *conversation_; }

  // REQUIRES: !is_open(). `number` is unique in the script.
  void Open(int number);
  // Of the next Send only so many bytes go out at once, the others with what follows.
  void Cut(size_t bytes) { cut_ = bytes; }
  void Send(std::string_view bytes);
  // Takes what is there.
  void Read();
  // Reads until no answer is due.
  void Await();
  // Reads the message that is probably on its way, and does not wait long for it.
  void Listen();
  // Ends its own half, and reads to the end of the server's. Whether CONNECT was accepted.
  bool Finish();
  // Reads to the end, which the server is to bring about by itself: `rule`.
  void AwaitEnd(std::string_view rule);
  // Closes, whatever is under way.
  void Drop();

 private:
  enum class Heard { kBytes, kNothing, kEnd };
  void Write(std::string_view bytes);
  [[nodiscard]] Heard ReadOnce();
  void WaitFor(short events, std::string_view rule);
  void Forget();

  const std::string& address_;
  ClientMemories& memories_;
  Conversation::OnAccepted on_accepted_;
  net::Fd fd_;
  std::unique_ptr<Conversation> conversation_;
  std::string kept_back_;
  size_t cut_ = 0;
  bool is_deaf_ = false;       // the server takes nothing any more
  bool was_accepted_ = false;  // of the last connection
};

}  // namespace homeport::testing
