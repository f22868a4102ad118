// For tests: certificates of clients and authorities, with their keys (P-256).
#pragma once

#include <memory>
#include <string>

#include "absl/time/time.h"

struct evp_pkey_st;
struct x509_st;

namespace fleetcast::mqtt_edge {

// One certificate with its key. Immutable.
class TestIdentity {
 public:
  struct Options {
    std::string common_name;
    const TestIdentity* issuer = nullptr;  // Null: signs itself.
    bool is_authority = false;
    std::string extended_usage = "clientAuth";    // Empty = none. Of those that are no authority.
    absl::Duration valid_from = -absl::Hours(1);  // From now.
    absl::Duration valid_for = absl::Hours(1);
  };

  explicit TestIdentity(const Options& options);

  x509_st* certificate() const { return certificate_.get(); }
  evp_pkey_st* key() const { return key_.get(); }
  std::string certificate_pem() const;
  std::string key_pem() const;
  // A key that claims to be that of this certificate, and is another one.
  std::shared_ptr<evp_pkey_st> ForgedKey() const;

 private:
  std::shared_ptr<evp_pkey_st> key_;
  std::shared_ptr<x509_st> certificate_;
};

}  // namespace fleetcast::mqtt_edge
