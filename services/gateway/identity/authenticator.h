#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "libs/mqtt/packets.h"
#include "services/gateway/shard_context.h"

namespace homeport::gateway {

// Whether a client may connect.
struct Verdict {
  mqtt::ReasonCode reason = mqtt::ReasonCode::kSuccess;
  std::string_view why = {};  // a refusal's: one word of a fixed set, for the metric and the log

  [[nodiscard]] bool ok() const { return !mqtt::IsFailure(reason); }
};

// Who is connecting, and the proof. A client certificate speaks for the device that the registry
// says it is; the user name is then no matter. Without one, or with one that nobody knows, the user
// name is "<product>/<device>", or nothing (or the client id) where the client id is the device's:
// the password is the fleet key's, a device's secret, or a token signed by its registered key.
// Shard's thread only.
class Authenticator {
 public:
  using OnVerdict = absl::AnyInvocable<void(Verdict)>;

  explicit Authenticator(ShardContext& context) : c_(context) {}

  // Reads what CONNECT says of the client into `session.identity`.
  [[nodiscard]] Verdict Identify(Session& session, const mqtt::Connect& connect);
  // Checks it, and completes the identity. The callback may come before this returns; it does not
  // come when the session has closed. REQUIRES: Identify has succeeded; Phase::kAuthenticating.
  void Authenticate(const Session& session, OnVerdict on_verdict);
  // The session closed before the verdict.
  void Forget(const Session& session) { attempts_.erase(session.handle().packed()); }

 private:
  struct Attempt {
    std::string client_id;  // as CONNECT has it
    std::string user_name;  // without what SDKs add
    std::string password;
    std::string product;             // empty: the device's own
    std::vector<std::string> chain;  // of the client's certificate, DER
    bool asked_again = false;        // for the certificate
    bool password_is_fleet_key = false;
    bool proven = false;  // what is left is to find the device and its product
    OnVerdict on_verdict;
  };

  [[nodiscard]] Verdict IdentifyByPassword(Attempt& attempt, Identity& identity,
                                           const mqtt::Connect& connect) const;
  // The attempt of a session that is still to be authenticated.
  [[nodiscard]] Attempt* Waiting(SessionHandle handle, Session** session);

  void FindCertificate(SessionHandle handle);
  void OnCertificate(SessionHandle handle, const absl::StatusOr<Directory::Certificate>& answer);
  void AcceptClaim(SessionHandle handle, Session& session, const Attempt& attempt);
  void CheckPassword(SessionHandle handle);
  void FindProduct(SessionHandle handle, const std::string& product);
  void OnProduct(SessionHandle handle, const absl::StatusOr<Directory::Product>& product);
  void FindDevice(SessionHandle handle);
  void OnDevice(SessionHandle handle, const absl::StatusOr<Directory::Device>& device);
  // Whether the password is one of the device's secrets or a token of one of its keys.
  [[nodiscard]] Verdict CheckCredentials(const DeviceConfig& device, const Attempt& attempt,
                                         Identity& identity) const;
  void Finish(SessionHandle handle, Verdict verdict);

  ShardContext& c_;
  absl::flat_hash_map<uint64_t, Attempt> attempts_;  // by packed session handle
};

}  // namespace homeport::gateway
