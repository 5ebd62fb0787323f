// Sessions that have left OpenSSL, against unmodified clients of two TLS stacks.
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <random>
#include <string>

#include "tests/unit/net/tls_link.h"

namespace homeport::net {
namespace {

using testing::GnuTlsPeer;
using testing::OpenSslPeer;
using testing::Step;
using testing::TlsLink;
using testing::TlsPeer;
using Kind = Transport::Kind;

struct Stack {
  const char* name;
  testing::MakePeer make;
  const char* suites[3];
};
const Stack kStacks[] = {
    {"OpenSSL",
     OpenSslPeer,
     {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}},
    {"GnuTLS", GnuTlsPeer, {"AES-128-GCM", "AES-256-GCM", "CHACHA20-POLY1305"}}};

std::string RandomText(std::mt19937& random, size_t size) {
  std::string text(size, '\0');
  for (char& byte : text) byte = static_cast<char>(random());
  return text;
}

size_t RandomSize(std::mt19937& random) {
  const size_t limits[] = {4, 100, 5000, 20'000, 200'000};
  return random() % limits[random() % std::size(limits)] + 1;
}

// Says and hears random things; KeyUpdates in between.
void Converse(TlsLink& link, std::mt19937& random, int rounds) {
  std::string to_server;
  std::string to_client;
  for (int i = 0; i < rounds; ++i) {
    const std::string text = RandomText(random, RandomSize(random));
    switch (random() % 4) {
      case 0:
        to_client += text;
        link.ServerWrites(text);
        break;
      case 1:
        link.ClientUpdatesKeys(random() % 2 == 0);
        break;
      default:
        to_server += text;
        link.ClientWrites(text);
    }
    if (random() % 3 == 0) link.Turn();
  }
  to_client += "bye";
  link.ServerWrites("bye");
  link.Until([&] {
    return link.at_server.size() >= to_server.size() && link.at_client.size() >= to_client.size();
  });
  CHECK(link.at_server == to_server);
  CHECK(link.at_client == to_client);
}

}  // namespace

TEST_CASE("Clients of two stacks and all suites talk to a session without OpenSSL") {
  const auto server = testing::MakeServer(testing::FreshMaterial());
  uint32_t seed = 1;
  for (const Stack& stack : kStacks) {
    for (const char* suite : stack.suites) {
      for (const size_t step : {size_t{64} << 10, size_t{1000}, size_t{17}}) {
        INFO(stack.name << " " << suite << " step " << step << " seed " << seed);
        std::mt19937 random(seed++);
        TlsLink link(*server, stack.make, {.suite = suite}, AlpnSet::kMqtt, step);
        REQUIRE(link.Handshake(server->engine()));
        REQUIRE(link.transport.kind() == Kind::kCompact);
        Converse(link, random, step == 17 ? 5 : 40);
        link.client->CloseNotify();
        link.Until([&] { return link.server_status == IoStatus::kClosed; });
        link.Until([&] { return link.client_status != Step::kAgain; });
        CHECK(link.client_status == Step::kClosed);
      }
    }
  }
}

TEST_CASE("The server's close_notify arrives, in order") {
  const auto server = testing::MakeServer(testing::FreshMaterial());
  for (const Stack& stack : kStacks) {
    TlsLink link(*server, stack.make);
    REQUIRE(link.Handshake(server->engine()));
    link.ServerWrites("last");
    link.Turn();
    link.transport.Close();
    link.Until([&] { return link.client_status == Step::kClosed; });
    CHECK(link.at_client == "last");
  }
}

TEST_CASE("What a client sends right behind its Finished is not lost, byte by byte") {
  const auto server = testing::MakeServer(testing::FreshMaterial());
  for (const Stack& stack : kStacks) {
    for (const size_t step : {size_t{1}, size_t{64} << 10}) {
      TlsLink link(*server, stack.make, {}, AlpnSet::kMqtt, step);
      std::string_view none;
      while (link.client->Handshake() != Step::kDone) {
        static_cast<void>(link.transport.Handshake(&none));
        link.MoveWire();
      }
      link.ClientWrites("at once");
      REQUIRE(link.Handshake(server->engine()));
      CHECK(link.transport.kind() == Kind::kCompact);
      link.Until([&] { return link.at_server == "at once"; });
    }
  }
}

TEST_CASE("Garbage is answered by bad_record_mac and ends the session") {
  const auto server = testing::MakeServer(testing::FreshMaterial());
  for (const Stack& stack : kStacks) {
    TlsLink link(*server, stack.make);
    REQUIRE(link.Handshake(server->engine()));
    link.ClientWrites("before");
    const std::string garbage = std::string("\x17\x03\x03\x00\x40", 5) + std::string(64, 'g');
    REQUIRE(::write(link.client_fd.get(), garbage.data(), garbage.size()) > 0);
    link.Until([&] { return link.server_status != IoStatus::kOk; });
    CHECK(link.server_status == IoStatus::kError);
    CHECK(link.at_server == "before");
    link.Until([&] { return link.client_status == Step::kFailed; });
    CHECK(link.client->alert() == 20);
  }
}

TEST_CASE("A connection cut off without close_notify is an error") {
  const auto server = testing::MakeServer(testing::FreshMaterial());
  TlsLink link(*server, OpenSslPeer);
  REQUIRE(link.Handshake(server->engine()));
  ::shutdown(link.client_fd.get(), SHUT_WR);
  link.Until([&] { return link.server_status != IoStatus::kOk; });
  CHECK(link.server_status == IoStatus::kError);
}

TEST_CASE("Sessions out of the ordinary stay with OpenSSL, and work") {
  const auto server = testing::MakeServer(testing::FreshMaterial());
  struct Row {
    const char* name;
    testing::MakePeer make;
    TlsPeer::Options options;
    bool compact;
  };
  const Row rows[] = {{"TLS 1.2", OpenSslPeer, {.tls12 = true}, true},
                      {"TLS 1.2, GnuTLS", GnuTlsPeer, {.tls12 = true}, true},
                      {"small records", OpenSslPeer, {.max_fragment = 512}, true},
                      {"switched off", OpenSslPeer, {}, false}};
  for (const Row& row : rows) {
    INFO(row.name);
    TlsLink link(*server, row.make, row.options);
    REQUIRE(link.Handshake(row.compact ? server->engine() : nullptr));
    CHECK(link.transport.kind() == Kind::kOpenSsl);
    link.ClientWrites("up");
    link.ServerWrites(std::string(100'000, 'd'));
    link.Until([&] { return link.at_server == "up" && link.at_client.size() == 100'000; });
  }
}

}  // namespace homeport::net
