#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "libs/auth/certificate.h"
#include "libs/base/clock.h"
#include "libs/net/tls.h"
#include "libs/net/tls_files.h"
#include "tests/support/authorities.h"
#include "tests/unit/net/tls_link.h"
#include "tests/unit/rpc/tls_files.h"

namespace homeport::net {
namespace {

using testing::GnuTlsPeer;
using testing::OpenSslPeer;
using testing::Step;
using testing::TlsLink;
using testing::TlsPeer;

// A session that can be resumed, of a client that has heard a word from the server.
std::string SessionOf(TlsServer& server, testing::MakePeer make, const TlsPeer::Options& options) {
  TlsLink link(server, make, options);
  REQUIRE(link.Handshake(server.engine()));
  link.ServerWrites("word");
  link.Until([&] { return link.at_client == "word"; });
  return link.client->Session();
}

// A client with its certificate, signed by the last of `authorities` below each other.
struct Client {
  explicit Client(int authorities) {
    const WallMs now = SystemClock().Wall();
    std::vector<auth::KeyAndCertificate> made;
    std::string long_name;  // 63 characters of at most 64
    for (int i = 0; i < 63; ++i) long_name += "\u20ac";
    for (int i = 0; i <= authorities; ++i) {
      made.push_back(homeport::testing::MakeAuthorityOf(long_name + std::to_string(i),
                                                        i == 0 ? nullptr : &made.back(), now));
    }
    const auth::KeyAndCertificate own = homeport::testing::MakeDeviceOf("lamp-1", made.back(), now);
    options.key = own.key_pem;
    Add(own.certificate_pem);
    for (int i = authorities; i > 0; --i) Add(made[static_cast<size_t>(i)].certificate_pem);
  }
  void Add(const std::string& pem) {
    options.certificates += pem;
    const auto certificate = auth::Certificate::FromPem(pem);
    REQUIRE(certificate.ok());
    ids.push_back(certificate->Id());
  }

  TlsPeer::Options options;
  std::vector<std::string> ids;  // of what it sends
};

std::vector<std::string> IdsOf(const std::vector<std::string>& certificates) {
  std::vector<std::string> ids;
  for (const std::string& der : certificates) ids.push_back(auth::CertificateIdOf(der));
  return ids;
}

bool Resumes(TlsServer& server, testing::MakePeer make, TlsPeer::Options options,
             const std::string& session) {
  options.session = session;
  TlsLink link(server, make, options);
  REQUIRE(link.Handshake(server.engine()));
  link.ServerWrites("word");
  link.Until([&] { return link.at_client == "word"; });
  return link.client->resumed();
}

}  // namespace

TEST_CASE("A session is resumed by every server that has its key, current or former") {
  TlsMaterial material = testing::FreshMaterial();
  const auto one = testing::MakeServer(material);
  const auto two = testing::MakeServer(material);
  TlsMaterial rotated = material;
  rotated.ticket_keys = "# rotated\n" + TicketKeys::RandomLine() + "\n\n" + material.ticket_keys;
  const auto later = testing::MakeServer(rotated);
  TlsMaterial other = material;
  other.ticket_keys = TicketKeys::RandomLine();
  const auto stranger = testing::MakeServer(other);
  for (const testing::MakePeer make : {OpenSslPeer, GnuTlsPeer}) {
    for (const bool tls12 : {false, true}) {
      INFO("TLS 1.2: " << tls12 << ", GnuTLS: " << (make == GnuTlsPeer));
      const TlsPeer::Options options = {.tls12 = tls12};
      const std::string session = SessionOf(*one, make, options);
      CHECK(Resumes(*two, make, options, session));
      CHECK(Resumes(*later, make, options, session));
      CHECK(!Resumes(*stranger, make, options, session));
    }
  }
}

TEST_CASE("A resumed session has the certificates that the client once sent") {
  TlsMaterial material = testing::FreshMaterial();
  const std::string former = material.ticket_keys, current = TicketKeys::RandomLine();
  std::vector<std::unique_ptr<TlsServer>> servers;
  for (const std::string& keys : {former, current + "\n" + former, current}) {
    material.ticket_keys = keys;
    servers.push_back(testing::MakeServer(material));
  }
  for (const int authorities : {0, 1, 2}) {
    const Client device(authorities);
    for (const testing::MakePeer make : {OpenSslPeer, GnuTlsPeer}) {
      for (const bool tls12 : {false, true}) {
        TlsPeer::Options options = device.options;
        options.tls12 = tls12;
        // The second renews the ticket: OpenSSL's client gives that out under TLS 1.3.
        const size_t turns = make == OpenSslPeer && !tls12 ? servers.size() : 2;
        for (size_t turn = 0; turn < turns; ++turn) {
          INFO(authorities << " authorities, TLS 1.2: " << tls12
                           << ", GnuTLS: " << (make == GnuTlsPeer) << ", connection " << turn);
          TlsServer& server = *servers[turn];
          TlsLink link(server, make, options);
          REQUIRE(link.Handshake(server.engine()));
          link.ServerWrites("word");
          link.Until([&] { return link.at_client == "word"; });
          CHECK(link.client->resumed() == (turn > 0));
          CHECK(IdsOf(link.peer_certificates) == device.ids);
          options.session = link.client->Session();
        }
      }
    }
  }
}

TEST_CASE("A ticket without room for the client's certificates is not accepted") {
  const auto server = testing::MakeServer(testing::FreshMaterial());
  const Client device(4);
  for (const bool tls12 : {false, true}) {
    INFO("TLS 1.2: " << tls12);
    TlsPeer::Options options = device.options;
    options.tls12 = tls12;
    options.session = SessionOf(*server, OpenSslPeer, options);
    REQUIRE(!options.session.empty());
    TlsLink link(*server, OpenSslPeer, options);
    REQUIRE(link.Handshake(server->engine()));
    CHECK(!link.client->resumed());
    CHECK(IdsOf(link.peer_certificates) == device.ids);
  }
}

TEST_CASE("ALPN: what the listener speaks is selected, anything else refused, none is fine") {
  const auto server = testing::MakeServer(testing::FreshMaterial());
  struct Row {
    const char* offered;
    AlpnSet alpn;
    bool accepted;
  };
  const Row rows[] = {{"", AlpnSet::kMqtt, true},
                      {"mqtt", AlpnSet::kMqtt, true},
                      {"x-amzn-mqtt-ca", AlpnSet::kMqtt, true},
                      {"h2", AlpnSet::kMqtt, false},
                      {"http/1.1", AlpnSet::kMqtt, false},
                      {"", AlpnSet::kWebSocket, true},
                      {"http/1.1", AlpnSet::kWebSocket, true},
                      {"mqtt", AlpnSet::kWebSocket, false}};
  constexpr int kNoApplicationProtocol = 120;
  for (const testing::MakePeer make : {OpenSslPeer, GnuTlsPeer}) {
    for (const Row& row : rows) {
      INFO(row.offered);
      TlsLink link(*server, make, {.alpn = row.offered}, row.alpn);
      CHECK(link.Handshake(server->engine()) == row.accepted);
      CHECK(link.client->alert() == (row.accepted ? 0 : kNoApplicationProtocol));
      if (!row.accepted) CHECK(link.failure == "alpn");
    }
  }
}

TEST_CASE("Material that will not do is refused, and the former stays in use") {
  TlsMaterial material = testing::FreshMaterial();
  const auto server = testing::MakeServer(material);
  TlsLink before(*server, OpenSslPeer);
  REQUIRE(before.Handshake(server->engine()));
  const TlsMaterial fresh = testing::FreshMaterial();
  const auto refused = [&](TlsMaterial bad) { return !server->Use(bad).ok(); };
  CHECK(refused({"", material.key, material.ticket_keys}));
  CHECK(refused({"junk", material.key, material.ticket_keys}));
  CHECK(refused({material.certificate_chain, "junk", material.ticket_keys}));
  CHECK(refused({fresh.certificate_chain, material.key, material.ticket_keys}));
  CHECK(refused({material.certificate_chain, material.key, ""}));
  CHECK(refused({material.certificate_chain, material.key, "abcd"}));
  CHECK(refused({material.certificate_chain, material.key, std::string(64, 'g')}));
  CHECK(refused({material.certificate_chain.substr(0, 300), material.key, material.ticket_keys}));
  TlsLink meanwhile(*server, OpenSslPeer);
  CHECK(meanwhile.Handshake(server->engine()));
  CHECK(server->Use(fresh).ok());
  TlsLink after(*server, OpenSslPeer);
  CHECK(after.Handshake(server->engine()));
  before.ServerWrites("still here");
  before.Until([&] { return before.at_client == "still here"; });
}

TEST_CASE("A handshake that fails says why") {
  const auto server = testing::MakeServer(testing::FreshMaterial());
  struct Row {
    std::string bytes;
    std::string_view failure;
  };
  const Row rows[] = {{"GET / HTTP/1.1\r\n\r\n", "not_tls"},
                      {std::string("\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00", 14), "not_tls"},
                      {std::string("\x16\x03\x01\x00\x04\x01\x00\x00\x00", 9), "protocol"}};
  for (const Row& row : rows) {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
    const Fd client(ends[0]);
    Transport transport(ends[1]);
    transport.StartTls(server->Accept(transport.fd(), AlpnSet::kMqtt));
    REQUIRE(::write(client.get(), row.bytes.data(), row.bytes.size()) > 0);
    std::string_view failure;
    CHECK(transport.Handshake(&failure).status == IoStatus::kError);
    CHECK(failure == row.failure);
    transport.Close();
  }
}

TEST_CASE("Changed files are read once they have stopped changing") {
  const homeport::testing::TempDir folder;
  const TlsMaterial material = testing::FreshMaterial();
  const std::string certificate = folder.Write("cert.pem", material.certificate_chain);
  const std::string key = folder.Write("key.pem", material.key);
  TlsFiles files({certificate, key, ""}, material.ticket_keys);
  REQUIRE(files.Read().ok());
  CHECK(!files.ReadChanged()->has_value());
  folder.Write("cert.pem", "another certificate");
  CHECK(!files.ReadChanged()->has_value());  // just seen
  folder.Write("key.pem", "another key!");
  CHECK(!files.ReadChanged()->has_value());  // still changing
  const auto changed = files.ReadChanged();
  REQUIRE(changed.ok());
  REQUIRE(changed->has_value());
  CHECK((*changed)->certificate_chain == "another certificate");
  CHECK((*changed)->key == "another key!");
  CHECK((*changed)->ticket_keys == material.ticket_keys);
  CHECK(!files.ReadChanged()->has_value());
  std::remove(key.c_str());
  CHECK(!files.ReadChanged()->has_value());
  CHECK(!files.ReadChanged().ok());
  CHECK(files.ReadChanged().ok());  // said once
}

}  // namespace homeport::net
