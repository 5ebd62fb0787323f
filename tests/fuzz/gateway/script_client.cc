#include "tests/fuzz/gateway/script_client.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "libs/base/check.h"
#include "libs/base/strings.h"
#include "libs/net/address.h"

namespace homeport::testing {
namespace {

constexpr int kAnswerMsMax = 5000;
constexpr int kListenMs = 20;

}  // namespace

void ScriptClient::Open(int number) {
  const auto address = net::ParseAddress(address_);
  HP_CHECK(address.ok());
  auto resolved = net::Resolve(*address);
  HP_CHECK(resolved.ok());
  fd_ = net::Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  HP_CHECK(fd_.valid());
  HP_CHECK(::connect(fd_.get(), static_cast<sockaddr*>(static_cast<void*>(&resolved->storage)),
                     resolved->size) == 0);
  conversation_ = std::make_unique<Conversation>(memories_, number, on_accepted_);
}

void ScriptClient::WaitFor(short events, std::string_view rule) {
  pollfd waiting{fd_.get(), events, 0};
  int ready = 0;
  do {
    ready = ::poll(&waiting, 1, kAnswerMsMax);
  } while (ready < 0 && errno == EINTR);
  if (ready == 0) conversation_->Violation(fmt::format("{}: {}", rule, conversation_->Due()));
}

void ScriptClient::Send(std::string_view bytes) {
  Write(std::exchange(kept_back_, std::string()));
  const size_t now = cut_ == 0 ? bytes.size() : std::min(cut_, bytes.size());
  cut_ = 0;
  Write(bytes.substr(0, now));
  kept_back_ = std::string(bytes.substr(now));
}

// Told to the conversation first: the answer may come before the call is back.
void ScriptClient::Write(std::string_view bytes) {
  if (is_deaf_ || bytes.empty()) return;
  conversation_->Sent(bytes);
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<size_t>(sent));
    } else if (errno == EAGAIN) {
      WaitFor(POLLOUT, "the server reads nothing for 5 s");
    } else if (errno != EINTR) {
      is_deaf_ = true;
      return;
    }
  }
}

ScriptClient::Heard ScriptClient::ReadOnce() {
  std::array<char, 64 << 10> buffer;
  const ssize_t got = ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (got > 0) {
    conversation_->Received({buffer.data(), static_cast<size_t>(got)});
    return Heard::kBytes;
  }
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return Heard::kNothing;
  conversation_->ReceivedEnd();
  Forget();
  return Heard::kEnd;
}

void ScriptClient::Forget() {
  was_accepted_ = conversation_->was_accepted();
  conversation_.reset();
  fd_.Reset();
  kept_back_.clear();
  cut_ = 0;
  is_deaf_ = false;
}

void ScriptClient::Read() {
  while (is_open() && ReadOnce() == Heard::kBytes) continue;
}

void ScriptClient::Await() {
  Read();
  while (is_open() && conversation_->IsAnswerDue()) {
    WaitFor(POLLIN, "no answer within 5 s");
    Read();
  }
}

void ScriptClient::Listen() {
  Read();
  if (!is_open() || !conversation_->IsMessageExpected()) return;
  pollfd waiting{fd_.get(), POLLIN, 0};
  if (::poll(&waiting, 1, kListenMs) == 0) conversation_->ExpectNoMessage();
  Read();
}

bool ScriptClient::Finish() {
  Write(std::exchange(kept_back_, std::string()));
  ::shutdown(fd_.get(), SHUT_WR);
  AwaitEnd("no end within 5 s of the client's");
  return was_accepted_;
}

void ScriptClient::AwaitEnd(std::string_view rule) {
  Read();
  while (is_open()) {
    WaitFor(POLLIN, rule);
    Read();
  }
}

void ScriptClient::Drop() {
  conversation_->Abandoned();
  Forget();
}

}  // namespace homeport::testing
